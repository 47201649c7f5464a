"""Numbers in the text of a page: each names its place in a record, and is written from there.

``<!--slope-->0.56<!--/-->`` is such a number. What its name means stands at the end of the page, in a comment, a line a
name: the record, a place in its result.json, and how to write what is there.

    <!-- numbers
    slope = erf_growth:slopes[kind=random,y=size,x=trf_size,depths=5-40].exponent .2f
    -->

A place goes down by names and picks from lists: ``[kind=random]`` keeps the entries that say so, ``[0]`` is the first.
A name asked of a list gives that of each entry, and a list of one thing counts as that thing. ``environment`` is the
content of environment.json. Three records are made here: ``claims`` is the claim table, ``own_claims`` that of our own
claims, ``runs`` are those that decide the claims' rows. How to write: a format as of Python's ``format``, or
``minutes``, for seconds; before it may stand ``least``, ``most``, ``total`` or ``count``, for several numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from erf.errors import InvalidInput
from experiments.claims import Row, own_rows, rows
from experiments.claims.cost import cost
from experiments.harness.record import ENVIRONMENT, RESULT
from experiments.harness.reference import REFERENCE
from experiments.harness.reference_runs import DATA

NUMBER = re.compile(r"<!--([\w ]+)-->[^<]*<!--/-->")
MEANINGS = re.compile(r"<!-- numbers\n(.*?)\n-->", re.DOTALL)
MEANING = re.compile(r"([\w ]+) = (\w+):((?:[^\s\[]|\[[^\]]*\])+)(?: (least|most|total|count))?(?: (\S+))?")
STEP = re.compile(r"(\w*)((?:\[[^\]]*\])*)(?:\.|$)")
OF_SEVERAL: dict[str, Callable] = {"least": min, "most": max, "total": sum, "count": len}


def has_numbers(page: str) -> bool:
    """Return whether a page has numbers of records in its text."""
    return MEANINGS.search(page) is not None


def with_numbers(page: str, folder: Path = REFERENCE) -> str:
    """Return a page with each of its numbers as the records in ``folder`` have it.

    Raises:
        InvalidInput: A number has no meaning, a meaning no number, or a place does not exist.
    """
    meanings = _meanings(page)
    names = set(NUMBER.findall(page))
    if names != {*meanings}:
        raise InvalidInput(f"numbers and their meanings differ on a page: {', '.join(sorted(names ^ {*meanings}))}")
    read = cache(partial(_record, folder))
    texts = {name: _number(meaning, read) for name, meaning in meanings.items()}
    return NUMBER.sub(lambda at: f"<!--{at[1]}-->{texts[at[1]]}<!--/-->", page)


def _meanings(page: str) -> dict[str, str]:
    lines = [line for block in MEANINGS.findall(page) for line in block.splitlines()]
    for line in lines:
        if not MEANING.fullmatch(line):
            raise InvalidInput(f"{line!r} is no meaning of a number; allowed: NAME = RECORD:PLACE FORMAT")
    return {line.partition(" = ")[0]: line for line in lines}


def number(meaning: str, folder: Path = REFERENCE) -> str:
    """Return the number of a line ``NAME = RECORD:PLACE FORMAT``, as text.

    Raises:
        InvalidInput: The record has no such place, or no number there.
    """
    return _number(meaning, partial(_record, folder))


def _number(meaning: str, read: Callable[[str], Any]) -> str:
    match = MEANING.fullmatch(meaning)
    assert match, "meanings are checked where they are read"
    _, record, place, of_several, form = match.groups()
    try:
        value = _at(read(record), place)
        return _written(OF_SEVERAL[of_several](_opened(value, list)) if of_several else _opened(value), form or "")
    except (KeyError, IndexError, TypeError, ValueError, OSError) as error:
        raise InvalidInput(f"{meaning!r}: the record has nothing there that can be written so") from error


def _record(folder: Path, name: str) -> Any:
    if name in ("claims", "own_claims"):
        return [_claim(row) for row in (rows(folder) if name == "claims" else own_rows(folder))]
    if name == "runs":
        runs = sorted({run for row in rows(folder) for run in row.runs})
        return [{"name": run, "minutes": cost([run], folder).minutes, "trains": run in DATA} for run in runs]
    read = {file: json.loads((folder / name / file).read_text()) for file in (RESULT, ENVIRONMENT)}
    return read[RESULT] | {"environment": read[ENVIRONMENT]}


def _claim(row: Row) -> dict[str, Any]:
    keys = ("id", "verdict", "cost", "settled_later")
    parts = [{"holds": part.holds} for part in row.parts]
    return {key: getattr(row, key) for key in keys} | {"answer": row.answer(), "parts": parts}


def _at(value: Any, place: str) -> Any:
    """Return what stands at a place of a record, or all that do."""
    for name, picks in STEP.findall(place):
        if name:
            value = [entry[name] for entry in value] if isinstance(value, list) else value[name]
        for pick in re.findall(r"\[([^\]]*)\]", picks):
            value = _picked(_opened(value, list), pick)
    return value


def _picked(entries: list, pick: str) -> Any:
    if re.fullmatch(r"-?\d+", pick):
        return entries[int(pick)]
    wanted = [condition.split("=") for condition in pick.split(",")]
    return [entry for entry in entries if all(_text(_at(entry, key)) == text for key, text in wanted)]


def _opened(value: Any, kind: type = object) -> Any:
    """Return what lists of one thing hold, as long as it is of a kind."""
    while isinstance(value, list) and len(value) == 1 and isinstance(value[0], kind):
        (value,) = value
    return value


def _text(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)


def _written(value: Any, form: str) -> str:
    """Return a number, an interval of two, or a mean with its interval, as text."""
    if isinstance(value, dict):
        return f"{_written(value['value'], form)} ({_written(value['interval'], form)})"
    if isinstance(value, list):
        low, high = value
        return f"{_written(low, form)} to {_written(high, form)}"
    return f"{max(value / 60, 1):.0f}" if form == "minutes" else format(value, form)
