"""The error for input that the caller can mend."""


class InvalidInput(ValueError):
    """An argument or a configuration cannot be used; the message says what, where and what is allowed."""
