"""The version of the library and the extension."""

__version__ = "0.1.0"
