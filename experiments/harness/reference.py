"""The reference runs and studies: what the evidence in results/reference/ is made of."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from erf.errors import InvalidInput
from experiments.harness.about import about
from experiments.harness.experiment import experiment_names
from experiments.harness.record import read_record

REFERENCE = Path(__file__).parents[2] / "results" / "reference"

ABOUT = {name: about(name) for name in experiment_names()}
# By the folder of their record in results/reference/: overrides of run.py; by their first seed, the sweeps of a study.
RUNS = {
    run: (f"experiment={name}", *reference.overrides)
    for name, its in ABOUT.items()
    for run, reference in its.runs.items()
}
STUDIES = {study: reference.sweeps for its in ABOUT.values() for study, reference in its.studies.items()}
# What each run, and each sweep of a study, is reduced to where all shall take minutes: the same claims of fewer runs.
QUICK = {
    name: reference.quick for its in ABOUT.values() for name, reference in (*its.runs.items(), *its.studies.items())
}
# The data sets that a run needs, in its folder of data.
DATA = {name: its.data for its in ABOUT.values() if its.data for name in (*its.runs, *its.studies)}

R = TypeVar("R")


def experiment_of(name: str) -> str:
    """Return the experiment of the reference run or study ``name``."""
    overrides = STUDIES[name](0)[0] if name in STUDIES else RUNS[name]
    return overrides[0].removeprefix("experiment=")


def changed(overrides: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    """Return ``overrides`` with those of the same keys replaced by ``others``, which may add keys, too."""
    by_key = {override.partition("=")[0]: override for override in (*overrides, *others)}
    return tuple(by_key.values())


def command(name: str) -> str:
    """Return the command that measures the reference run or study ``name`` again."""
    if name in STUDIES:
        return f"python scripts/reproduce.py --only {name}"
    return " ".join(["python run.py", *RUNS[name]])


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
