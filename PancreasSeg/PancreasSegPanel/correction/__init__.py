"""A segment under correction: its steps, its queue, what the worker makes of the marks."""
