"""Calls of the scripts: options with values of another kind, and what is not there."""

from __future__ import annotations

import argparse
import os
import random
import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path

from scripts.options import Number
from tests.campaign.call import NUMBERS, WORDS, Call

ROOT = Path(__file__).parents[2]
MAINS = {
    path.stem: called[1]
    for path in sorted(ROOT.glob("scripts/*.py"))
    if (called := re.search(r"sys\.exit\((\w+)\(sys\.argv", path.read_text()))
}
# Where a script's work begins: what comes here is accepted.
SEAMS = {"benchmark": "_benchmark", "scaling": "_scale", "coverage": "_is_wanted", "gpu_check": "check"}
SEAMS |= {"reproduce": "_reproduce", "gpu_reference": "train_at_once", "fetch_data": "_download"}
NEEDED = {"fetch_data": ["camvid"], "gather_sweep": ["sweep"], "report": ["empty"], "figures": ["empty"]}
# What is at each path of the folder; nothing can be at the others.
PATHS = {"missing": "nothing", "ü": "nothing", "file.txt": "file", "empty": "folder"}
PATHS |= dict.fromkeys(("", "file.txt/x", "/proc/nope/x"), "impossible")
# What may be where an option says that something is written, or read; no other path is of use.
MAY_BE = {("fetch_data", "data_dir"): {"nothing", "folder"}, ("coverage", "output"): {"nothing", "folder"}}
MAY_BE |= {("scaling", "output"): {"folder"}, ("reproduce", "data_dir"): {"folder"}}
MAY_BE |= {("benchmark", "output"): {"nothing", "file"}}
# The range of numbers, where it is not 1 to 2^31 - 1.
LEAST = {"judge_seconds": 0, "minutes": 0, "large": 32, "small": 32}
MOST = dict.fromkeys(("threads", "jobs"), os.cpu_count() or 1) | {"verify": 2**63 - 1}


class Asked(BaseException):
    """Raised in the place of parsing, with the parser's actions."""


@cache
def actions_of(script: str) -> list[argparse.Action]:
    """Return what the script's parser takes, the help aside."""

    def ask(parser: argparse.ArgumentParser, *_: object) -> None:
        raise Asked(parser._actions)

    names = ("parse_known_args", "parse_known_intermixed_args")
    before = [getattr(argparse.ArgumentParser, name) for name in names]
    for name in names:
        setattr(argparse.ArgumentParser, name, ask)
    try:
        main_of(script)([])
    except Asked as asked:
        return [action for action in asked.args[0] if action.dest != "help"]
    finally:
        for name, method in zip(names, before, strict=True):
            setattr(argparse.ArgumentParser, name, method)
    return []


def main_of(script: str) -> Callable[[list[str]], int]:
    """Return the script's function that takes the command line."""
    return getattr(import_module(f"scripts.{script}"), MAINS[script])


def drawn(random: random.Random) -> Call:
    """Return a call with one bad option or argument."""
    script = random.choice([*MAINS])
    if random.random() < 0.15 or not actions_of(script):
        more = random.choice([["--nope"], ["-z"], ["--nope=3"], ["--threads=1", "--nope"], ["a", "b", "c"]])
        return Call(script, (*NEEDED.get(script, []), *more), (*more, "unrecognized", "argument", more[0][:6]), False)
    action = random.choice(actions_of(script))
    value = random.choice(_values(action))
    option = action.option_strings[-1] if action.option_strings else ""
    name = option or str(action.metavar or action.dest)
    words = [option, value] if option else [value]
    needed = NEEDED.get(script, []) if option else []
    return Call(
        script,
        (*needed, *words),
        (name, action.dest, value.removesuffix("/x") or name, *(["argument"] * (action.nargs == 0))),
        _fits(script, action, value),
    )


def _values(action: argparse.Action) -> list[str]:
    if action.choices:
        return [*WORDS, ""]
    if _is_number(action):
        return [*NUMBERS, "x", "", "ü", "1,2"]
    return [*PATHS] if action.nargs != 0 else ["x", ""]


def _is_number(action: argparse.Action) -> bool:
    return isinstance(action.type, Number) or action.dest == "verify"


def _fits(script: str, action: argparse.Action, value: str) -> bool:
    """Return whether the documentation allows the value: a path by what is there, a number by its range."""
    if not _is_number(action):
        return PATHS.get(value) in MAY_BE.get((script, action.dest), ())
    is_float = isinstance(action.type, Number) and action.type.kind is float
    digits = value.replace(".", "").replace("e", "") if is_float else value
    return digits.isdecimal() and LEAST.get(action.dest, 1) <= float(value) <= MOST.get(action.dest, 2**31 - 1)
