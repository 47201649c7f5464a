"""What options of the scripts' command lines are: no empty texts and paths, as an unset variable would leave them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

from erf.errors import InvalidInput


class Parser(argparse.ArgumentParser):
    """One whose errors are of the user's input, in one line; words of options cannot be cut short."""

    def __init__(self, script: str, about: str | None) -> None:
        super().__init__(f"scripts/{script}", description=f"{(about or '').partition(':')[0]}.", allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise InvalidInput."""
        raise InvalidInput(f"{message}; {self.prog} --help shows what is allowed")


def whole(argument: str) -> int:
    """Return the whole number, one that 64 bits hold."""
    number = int(argument)
    if abs(number) >= 2**63:
        raise argparse.ArgumentTypeError(f"{argument}: allowed are whole numbers below 2^63")
    return number


def filled_text(argument: str) -> str:
    """Return an argument that is not empty."""
    if not argument:
        raise argparse.ArgumentTypeError("it is empty; allowed is a value")
    return argument


def filled_path(argument: str) -> Path:
    """Return the path that is not empty: an empty one would mean the current folder."""
    return Path(filled_text(argument))
