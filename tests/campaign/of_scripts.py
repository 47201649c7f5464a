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

from scripts.options import whole
from tests.campaign.call import NUMBERS, WORDS, Call

ROOT = Path(__file__).parents[2]
MAINS = {
    path.stem: called[1]
    for path in sorted(ROOT.glob("scripts/*.py"))
    if (called := re.search(r"sys\.exit\((\w+)\(sys\.argv", path.read_text()))
}
# Where a script's work begins: what comes here is accepted.
SEAMS = {"benchmark": "_benchmark", "scaling": "_scale", "coverage": "_candidates", "gpu_check": "check"}
SEAMS |= {"reproduce": "_reproduce", "gpu_reference": "train_at_once"}
NEEDED = {"fetch_data": ["camvid"], "gather_sweep": [], "report": ["empty"], "figures": ["empty"]}
PATHS = ["missing", "file.txt", "", "empty", "ü", "file.txt/x", "/proc/nope/x"]
CORES = os.cpu_count() or 1
LEAST_0 = {"judge_seconds"}


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
    name = option or action.metavar or action.dest
    words = [option, value] if option else [value]
    needed = NEEDED.get(script, []) if option else []
    return Call(
        script,
        (*needed, *words),
        (name, action.dest, value.removesuffix("/x") or name, *(["argument"] * (action.nargs == 0))),
        _fits(action, value),
    )


def _values(action: argparse.Action) -> list[str]:
    if action.choices:
        return [*WORDS, ""]
    if action.type in (whole, float):
        return [*NUMBERS, "x", "", "ü", "1,2"]
    return PATHS if action.nargs != 0 else ["x", ""]


def _fits(action: argparse.Action, value: str) -> bool:
    if action.type not in (whole, float) or action.choices:
        return False
    if not value.replace(".", "").replace("e", "").isdecimal():
        return False
    most = {"threads": CORES, "jobs": CORES, "at_once": 10**99}.get(action.dest, 10**9)
    return (0 if action.dest in LEAST_0 else 0.01) <= float(value) <= most
