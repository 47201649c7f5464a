"""What options of the scripts' command lines are: numbers in their ranges, and no empty texts and paths."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

from erf.command.parsing import OneLineParser, filled_path, filled_text
from experiments.harness.machine import CORES
from experiments.harness.validation import LARGEST

__all__ = ["CORES_HERE", "Number", "Parser", "filled_path", "filled_text"]


class Parser(OneLineParser):
    """The parser of a script; words of options cannot be cut short."""

    def __init__(self, script: str, about: str | None) -> None:
        super().__init__(f"scripts/{script}", description=f"{(about or '').partition(':')[0]}.", allow_abbrev=False)


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
