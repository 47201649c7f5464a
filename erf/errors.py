"""The errors for what the caller can mend: input, a missing package; and that for faults of erf itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 600  # characters of what other code says


class InvalidInput(ValueError):
    """An argument or a configuration cannot be used; the message says what, where and what is allowed."""


class MissingPackage(ImportError, InvalidInput):
    """A package that this part of erf needs is not installed; the message says how to install it."""


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Let an import inside that fails for want of a package name the extra of pyproject.toml that installs it.

    Raises:
        MissingPackage: The package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        message = f'{error.name} is not installed; this installs it: pip install "erf[{name}]"'
        raise MissingPackage(message, name=error.name) from error


def one_line(error: BaseException) -> str:
    """Return what an error of other code says, on one line of which the middle may be left out."""
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


class InternalError(Exception):
    """A fault of erf itself, which nothing in the input mends; the message asks for a report."""

    def __init__(self, what: str) -> None:
        super().__init__(f"erf fails {what}; this is a fault of erf, not of the network: please report it")


@contextmanager
def own_faults(at: str) -> Iterator[None]:
    """Let whatever goes wrong inside, but for what the user can mend, be a fault of erf."""
    try:
        yield
    except (InvalidInput, InternalError):
        raise
    except Exception as error:
        raise InternalError(f"at {at}: {type(error).__name__}: {error}") from error
