"""Numbers that are typed for each channel of the pictures."""

from __future__ import annotations

import argparse
import math


def per_channel(text: str) -> tuple[float, ...]:
    """Return the numbers that stand between commas."""
    try:
        numbers = tuple(map(float, text.split(",")))
    except ValueError:
        numbers = ()
    if not numbers or not text.isascii() or "_" in text or not all(map(math.isfinite, numbers)):
        raise argparse.ArgumentTypeError(f"{text!r}: allowed is a number of each channel, as 0.5,0.4,0.3")
    return numbers
