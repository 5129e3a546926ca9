"""Which verified responses become the midtrain and sft sets."""
