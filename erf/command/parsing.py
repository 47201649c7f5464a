"""How what is typed is read: as numbers, names and paths; what cannot be is said in one line, with what is allowed."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import NoReturn

from erf.errors import InvalidInput


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are of the user's input, in one line."""

    def error(self, message: str) -> NoReturn:
        """Raise InvalidInput."""
        raise InvalidInput(f"{message}; {self.prog} --help shows what is allowed")


def filled_text(text: str) -> str:
    """Return a text that is not empty, as an unset variable would leave it."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty; allowed is a value")
    return text


def filled_path(text: str) -> Path:
    """Return the path that is not empty: an empty one would mean the current folder."""
    path = Path(filled_text(text))
    try:
        path.exists()
    except OSError as error:  # a name that is too long, a folder that cannot be looked into
        raise argparse.ArgumentTypeError(f"{text[:60]!r}: {error.strerror}") from error
    return path


def sides(text: str) -> tuple[int, ...]:
    """Return the sides of an image: two of one number, one of a number with a comma behind it."""
    each = [int(side) if _is_whole(side) else 0 for side in text.removesuffix(",").split(",")]
    if not all(1 <= side < 2**31 for side in each) or len(each) > 3:
        allowed = "whole numbers of pixels from 1, below 2^31: 224 (a square), 480,640, or 2048, for one axis"
        raise argparse.ArgumentTypeError(f"{text!r}: allowed are {allowed}")
    return tuple(each * 2 if "," not in text else each)


def whole_number(text: str) -> int:
    """Return a whole number from 0."""
    if not _is_whole(text) or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r}: allowed are whole numbers, below 2^63")
    return int(text)


def count(text: str) -> int:
    """Return a whole number from 1."""
    if not 1 <= whole_number(text) < 2**31:
        raise argparse.ArgumentTypeError(f"{text!r}: allowed are whole numbers from 1, below 2^31")
    return int(text)


def unit(text: str) -> tuple[int, ...]:
    """Return a place in a layer's grid."""
    places = text.split(",")
    if not all(map(_is_whole, places)):
        raise argparse.ArgumentTypeError(f"{text!r}: allowed is an index along each axis, as 3,4")
    return tuple(map(int, places))


def aggregation(text: str) -> int | str:
    """Return the index of a channel, or what is no number as it is."""
    return int(text) if _is_whole(text) else text


def names(text: str) -> list[str]:
    """Return different names."""
    each = [filled_text(name) for name in text.split(",")]
    if len({*each}) < len(each):
        raise argparse.ArgumentTypeError(f"{text!r}: allowed is each layer once")
    return each


def per_channel(text: str) -> tuple[float, ...]:
    """Return the numbers that stand between commas, one of each channel of the pictures."""
    try:
        numbers = tuple(map(float, text.split(",")))
    except ValueError:
        numbers = ()
    if not numbers or not text.isascii() or "_" in text or not all(map(math.isfinite, numbers)):
        raise argparse.ArgumentTypeError(f"{text!r}: allowed is a number of each channel, as 0.5,0.4,0.3")
    return numbers


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdecimal()
