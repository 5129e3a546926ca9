"""The response store: every answer that was paid for, the budget that paid for it, and the locks of its workers."""
