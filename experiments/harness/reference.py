"""The evidence: records in results/reference/."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from erf.errors import InvalidInput
from experiments.harness.record import read_record

REFERENCE = Path(__file__).parents[2] / "results" / "reference"

R = TypeVar("R")


def reference(name: str, kind: type[R], folder: Path = REFERENCE) -> R:
    """Return the record of the reference run or study ``name``.

    Raises:
        InvalidInput: It is missing or damaged; the message ends with the command that writes it again.
    """
    try:
        return read_record(folder / name, kind)
    except InvalidInput as error:
        option = {"quick": "--quick ", "verify": "--verify "}.get(folder.name, "")
        again = f"python scripts/reproduce.py {option}--only {name}"
        raise InvalidInput(f"{error}; to write it again: {again}") from error
