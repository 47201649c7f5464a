"""The reference runs and studies: what the evidence in results/reference/ is made of, as every about.py names it."""

from __future__ import annotations

from typing import Any

from experiments.harness.about import about
from experiments.harness.experiment import experiment_names, experiment_of, load, load_study

ABOUT = {name: about(name) for name in experiment_names()}
# Their names in conf/experiment/, which are those of their records in results/reference/.
RUNS = tuple(run for its in ABOUT.values() for run in its.runs)
STUDIES = tuple(study for its in ABOUT.values() for study in its.studies)
# The data sets that a run needs, in its folder of data.
DATA = {name: data for name in (*RUNS, *STUDIES) if (data := ABOUT[experiment_of(name)].data)}


def record_type(name: str) -> type[Any]:
    """Return the type of the record of the reference run or study ``name``."""
    experiment = experiment_of(name)
    study = load_study(experiment) if name in STUDIES else None
    return (study or load(experiment)).Result


def command(name: str) -> str:
    """Return the command that measures the reference run or study ``name`` again."""
    if name in STUDIES:
        return f"python scripts/reproduce.py --only {name}"
    return f"python run.py experiment={name}"
