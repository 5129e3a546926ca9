"""The thin trainer: four stages over TRL."""
