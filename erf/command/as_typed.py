"""Errors of the library, in the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from erf.errors import InvalidInput, one_line

# With its value, if that is typed in another way: a list of numbers, or the True of an option that takes no value.
ARGUMENT = r"(?<![^\s(])(\w+)=(\[[\d, ]+\]|True\b)?"
# What a message offers in Python: of the options there is one, and none for call.
EITHER = r"layer=\.\.\., or layers=\.\.\. of erf\.measure\), or let call=\.\.\. return one"


@contextmanager
def as_typed(usage: str = "", **typed: str) -> Iterator[None]:
    """Let an InvalidInput name what is typed for the arguments of the library; what other code says stays as it is.

    Args:
        usage: Of the command; it holds the options.
        typed: What is typed for arguments that are not called as their options.
    """
    options = {name: f"--{name}" for name in re.findall(r"--(\w+)[ \]]", usage)} | typed

    def option(match: re.Match[str]) -> str:
        if match[1] not in options:
            return match[0]
        if match[2] == "True":
            return options[match[1]]
        sides = (match[2] or "")[1:-1].replace(" ", "")
        return f"{options[match[1]]} {sides}{',' if sides.isdecimal() else ''}"

    try:
        yield
    except InvalidInput as error:
        message = re.sub(EITHER, f"{'layer' if 'layer' in options else 'layers'}=...)", str(error))
        pattern = "|".join([*map(re.escape, _said_by_others(error)), ARGUMENT])
        raise InvalidInput(re.sub(pattern, option, message)) from error


def _said_by_others(error: BaseException | None) -> set[str]:
    """Return the words of other code in an error of the library, which has that code's error for its cause."""
    while isinstance(error, InvalidInput):
        error = error.__cause__
    return set() if error is None else {one_line(error), " ".join(str(error).split())} - {""}
