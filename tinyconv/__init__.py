"""tinyconv: convolutional networks whose every number can be followed by hand."""

__version__ = "0.1.0"
