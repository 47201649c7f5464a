"""A call of a public function, and the kinds of values that it refuses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """Values that are refused, and a pattern of what the message says; without one it is the argument's name."""

    values: list[Any]
    words: str = ""


def refused(*values: Any, words: str = "") -> Kind:
    return Kind(list(values), words)


@dataclass(frozen=True)
class Call:
    """A function, arguments that it accepts (made anew each time), and what it refuses.

    ``free``: the arguments that may be anything, or that something else checks.
    """

    function: Callable[..., Any]
    valid: Callable[[], dict[str, Any]]
    refused: dict[str, Kind]
    free: str = ""
