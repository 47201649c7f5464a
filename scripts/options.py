"""What options of the scripts' command lines are: numbers in their ranges, and no empty texts and paths."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from erf.errors import InvalidInput
from experiments.harness.machine import CORES
from experiments.harness.validation import LARGEST


class Parser(argparse.ArgumentParser):
    """One whose errors are of the user's input, in one line; words of options cannot be cut short."""

    def __init__(self, script: str, about: str | None) -> None:
        super().__init__(f"scripts/{script}", description=f"{(about or '').partition(':')[0]}.", allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise InvalidInput."""
        raise InvalidInput(f"{message}; {self.prog} --help shows what is allowed")


@dataclass(frozen=True)
class Number:
    """Reads a number that is counted or measured; one outside of its range is refused, and so are NaN and infinity."""

    kind: type[int] | type[float] = int
    least: float = 1
    most: float = LARGEST

    def __call__(self, argument: str) -> float:
        """Return the number that ``argument`` is."""
        try:
            number = self.kind(argument)
        except ValueError:
            number = math.nan
        if not self.least <= number <= self.most:
            words = "whole numbers" if self.kind is int else "numbers"
            raise argparse.ArgumentTypeError(f"{argument!r}: allowed are {words} from {self.least} to {self.most}")
        return number


CORES_HERE = Number(most=CORES)


def filled_text(argument: str) -> str:
    """Return an argument that is not empty, as an unset variable would leave it."""
    if not argument:
        raise argparse.ArgumentTypeError("it is empty; allowed is a value")
    return argument


def filled_path(argument: str) -> Path:
    """Return the path that is not empty: an empty one would mean the current folder."""
    path = Path(filled_text(argument))
    try:
        path.exists()
    except OSError as error:  # a name that is too long, a folder that cannot be looked into
        raise argparse.ArgumentTypeError(f"{argument[:60]!r}: {error.strerror}") from error
    return path
