"""What options of the scripts' command lines are: no empty texts and paths, as an unset variable would leave them."""

from __future__ import annotations

import argparse
from pathlib import Path


def filled_text(argument: str) -> str:
    """Return an argument that is not empty."""
    if not argument:
        raise argparse.ArgumentTypeError("it is empty; allowed is a value")
    return argument


def filled_path(argument: str) -> Path:
    """Return the path that is not empty: an empty one would mean the current folder."""
    return Path(filled_text(argument))
