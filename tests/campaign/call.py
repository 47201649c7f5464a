"""One call of a command, and the values that a draw gives."""

from __future__ import annotations

import re
from dataclasses import dataclass

NUMBERS = ["-1", "0", "1", "3", "1000000", "1000000000000", "1" + 30 * "0", "2.5", "-0.5", "1e3", "1e300", "nan", "inf"]
NOT_NUMBERS = ["x", "null", "true", "[1]", "[[1]]", "{a:1}", "ü", "''", "a b", "${nope}", "???", "[", "1,2", "-inf"]
WORDS = ["nope", "null", "[a]", "[[a]]", "{a:1}", "ü", "''", "a b", "1.5", "true", "nowhere/none", 300 * "x", "a(b"]
WORDS += ["a,b", "${nope}", "???", "/proc/1/mem", "a'b", 'a"b', "a\\", "日本", "-", "~", "a=b"]
LARGE, NUMBER = 1000, re.compile(r"\d+(?:\.\d+)?(?:e\d+)?")


@dataclass(frozen=True)
class Call:
    """A command with its arguments.

    Attributes:
        command: run, erf or the name of a script.
        arguments: Of it.
        names: One of these stands in the line that refuses it.
        allowed: Whether the documentation allows it: such a call may be accepted, and need not.
    """

    command: str
    arguments: tuple[str, ...]
    names: tuple[str, ...]
    allowed: bool

    @property
    def is_large(self) -> bool:
        """Whether the last argument has a number from 1,000: of what is counted so many may be asked for."""
        return any(float(number) >= LARGE for number in NUMBER.findall(self.arguments[-1].rpartition("=")[2]))

    def __str__(self) -> str:
        return " ".join([self.command, *(argument[:80] for argument in self.arguments)])
