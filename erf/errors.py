"""The error for input that the caller can mend."""


class InvalidInput(ValueError):
    """An argument or a configuration cannot be used; the message says what, where and what is allowed."""


class InternalError(Exception):
    """A fault of erf itself, which nothing in the input mends; the message asks for a report."""

    def __init__(self, what: str) -> None:
        super().__init__(f"erf fails {what}; this is a fault of erf, not of the network: please report it")
