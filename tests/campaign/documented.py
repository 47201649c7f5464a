"""What the help says of a field: the oracle for values that are accepted, written apart from the code that checks."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any, get_args, get_origin

# The least of whole numbers, where that is not 1.
LEAST = dict.fromkeys(("seed", "draw", "shift"), 0) | dict.fromkeys(("kernel_size", "kernel_sizes"), 2)
LEAST |= {"aggregation": 0, "subsampled": 0}
MOST = 2**31 - 1  # of what is counted or measured
MOST_OF = {"seed": 2**63 - 1}
SHARES = {"label_smoothing": (0, 1), "strength": (0, 1), "gain": (0, 1), "gains": (0, math.inf), "momentum": (0, 1)}
SHARES |= {"levels": (0, 1), "rates": (0, 1), "strengths": (0, 1), "weight_decay": (0, 4e38), "std": (0, 4e38)}
SHARES |= {"mean": (-4e38, 4e38)}
MAY_BE_EMPTY = {"narrow", "mean", "std", "unit", "layers", "dilations", "trained", "gains"}
TEXTS = {"device": {"auto", "cpu"}, "aggregation": {"sum", "random_sign"}, "images": {"noise", "pictures"}}


def is_documented(name: str, key: str, kind: Any, text: str, sweep: bool = False) -> bool:
    """Return whether the field may be given this text, as far as the field alone decides."""
    if sweep and "," in text and not text.startswith(("[", "{")):
        return all(is_documented(name, key, kind, part) for part in text.split(","))
    if kind is Any:
        return text.strip("[]").replace("],[", ",").replace(",", "").isdecimal()
    if get_origin(kind) is list:
        inside = text[1:-1].split(",") if text != "[]" else []
        if not (text.startswith("[") and text.endswith("]") and not text.startswith("[[")):
            return False
        return bool(inside or key in MAY_BE_EMPTY) and all(is_documented(name, key, *get_args(kind), t) for t in inside)
    if get_args(kind):
        return any(is_documented(name, key, part, text) for part in get_args(kind))
    if kind is int:
        return text.isdecimal() and LEAST.get(key, 1) <= int(text) <= MOST_OF.get(key, MOST)
    if kind is float:
        return _is_number(text) and _in_range(key, float(text))
    if kind is bool:
        return text in ("true", "false")
    if kind is type(None):
        return text == "null"
    if issubclass(kind, Enum):
        return text in kind.__members__
    return text in TEXTS.get(key, ())


def _is_number(text: str) -> bool:
    return text.lower() not in ("nan", "inf", "-inf") and text.replace(".", "").replace("e", "").lstrip("-").isdecimal()


def _in_range(key: str, value: float) -> bool:
    low, high = SHARES.get(key, (0, 3.4e38))
    return low <= value <= high
