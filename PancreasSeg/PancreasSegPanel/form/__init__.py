"""The sections of the form."""
