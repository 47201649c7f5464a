"""The reference runs and studies: what the evidence in results/reference/ is made of."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from erf.errors import InvalidInput
from experiments.harness.about import about
from experiments.harness.experiment import experiment_names, experiment_of
from experiments.harness.record import read_record

REFERENCE = Path(__file__).parents[2] / "results" / "reference"

ABOUT = {name: about(name) for name in experiment_names()}
# Their names in conf/experiment/, which are those of their records in results/reference/.
RUNS = tuple(run for its in ABOUT.values() for run in its.runs)
STUDIES = tuple(study for its in ABOUT.values() for study in its.studies)
# The data sets that a run needs, in its folder of data.
DATA = {name: data for name in (*RUNS, *STUDIES) if (data := ABOUT[experiment_of(name)].data)}

R = TypeVar("R")


def command(name: str) -> str:
    """Return the command that measures the reference run or study ``name`` again."""
    if name in STUDIES:
        return f"python scripts/reproduce.py --only {name}"
    return f"python run.py experiment={name}"


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
