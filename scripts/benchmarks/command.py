"""What the commands that measure have in common: their arguments, their errors and how their reports are written."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import msgspec
from rich.console import Console, RenderableType

from erf import InvalidInput, errors
from scripts.benchmarks.case import Disagreement
from scripts.options import CORES_HERE, Number, Parser


def timing_parser(script: str, about: str | None, repetitions: int) -> Parser:
    """Return a parser for a script with this docstring, with what every timing has: repetitions and threads."""
    parser = Parser(script, about)
    parser.add_argument("--repetitions", type=Number(), default=repetitions, help="of each timing; the median counts")
    parser.add_argument("--threads", type=CORES_HERE, default=1, help="CPU threads of torch")
    return parser


def exit_code(measure: Callable[[], int | None]) -> int:
    """Return what ``measure`` returns, 0 for None; 1 or 130 and one line on stderr where it fails or is interrupted."""
    users_errors = (InvalidInput, Disagreement, OSError)
    return errors.exit_code(measure, users_errors=users_errors, interrupted="interrupted; nothing was written")


def print_tables(*tables: RenderableType) -> None:
    """Print tables as wide as the terminal, or wide enough for a file."""
    Console(width=None if sys.stdout.isatty() else 160).print(*tables)


def to_json(report: Any) -> bytes:
    """Return a dataclass as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
