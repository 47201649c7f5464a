"""Errors of the library, in the words of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from erf.errors import InvalidInput


@contextmanager
def as_typed(usage: str, **typed: str) -> Iterator[None]:
    """Let an InvalidInput that begins with an argument of the library begin with the option that gives it.

    Args:
        usage: Of the command; it holds the options.
        typed: Options that are not called as the argument.
    """
    try:
        yield
    except InvalidInput as error:
        argument, equals, rest = str(error).partition("=")
        option = typed.get(argument, f"--{argument}")
        if not equals or f"{option} " not in usage:
            raise
        raise InvalidInput(f"{option} {rest}") from error
