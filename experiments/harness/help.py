"""What ``--help`` shows, made from the dataclasses and docstrings of the experiments."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints

from rich.console import Console
from rich.table import Table
from rich.text import Text

from erf.errors import InvalidInput
from experiments.harness.about import Series, about
from experiments.harness.experiment import CONF, Experiment, experiment_names, experiment_of, run_names
from experiments.harness.override import value_text

USAGE = """\
Run an experiment     python run.py experiment=NAME
Its fields            python run.py experiment=NAME --help
Other values          python run.py experiment=NAME seed=1 device=cpu     a list: key=[1,2,3]
Smaller               python run.py experiment=NAME scale=quick           to see it work
A sweep               python run.py -m experiment=NAME seed=0,1,2         one job for each combination
Once more             python run.py experiment=NAME fresh=true            although there is a record

Results go to results/runs/NAME/<overrides>-<hash of the config>/, a sweep's to results/sweeps/NAME/. The same command
finds its folder again: a complete record is shown, an interrupted run goes on.
"""


def terminal() -> Console:
    """Return the terminal; a file or pipe gets lines long enough to be searched."""
    return Console(width=None if sys.stdout.isatty() else 140)


def experiment_table(names: Iterable[str]) -> Table:
    """Return one line for each experiment."""
    table = Table("NAME", "what it asks", box=None)
    for name in names:
        table.add_row(name, Text(_question(name)))
    return table


def _question(name: str) -> str:
    try:
        return about(name).question
    except Exception as error:  # whatever is wrong with it, the others are listed
        return f"does not import: {type(error).__name__}: {error}"


def variants(of: Iterable[str]) -> dict[str, str]:
    """Return the experiment of each variant of these experiments: a run with a name and other values."""
    experiments, experiment_by_run = {*of}, {}
    for run in sorted({*run_names()} - {*experiment_names()}):
        with suppress(InvalidInput):  # of no experiment: choosing it says so
            if (experiment := experiment_of(run)) in experiments:
                experiment_by_run[run] = experiment
    return experiment_by_run


def variant_table(variants: Mapping[str, str]) -> Table:
    """Return one line for each variant: its experiment, and what its YAML file says about it."""
    table = Table("NAME", "variant of", "what it is", title="Variants\n", title_justify="left", box=None)
    for run, experiment in variants.items():
        table.add_row(run, experiment, Text(_description(run)))
    return table


def _description(run: str) -> str:
    """Return the first line of comment in the run's YAML file, without the command after it and what Hydra reads."""
    lines = (CONF / "experiment" / f"{run}.yaml").read_text().splitlines()
    comments = (line.lstrip("# ") for line in lines if line.startswith("#") and "@package" not in line)
    return next(comments, "").partition(":  ")[0]


def field_table(experiment: Experiment, run: str, defaults: Mapping[str, Any]) -> Table:
    """Return one line for each field of the experiment's config: type, default and meaning.

    Args:
        experiment: Whose config it is.
        run: Its name, or that of a variant of it.
        defaults: The fields' values without overrides (those of the YAML file come before the dataclass's).
    """
    title = f"{experiment.help}\npython run.py experiment={run}\n"
    table = Table("field", "type", "default", "meaning", title=title, title_justify="left", box=None)
    types = get_type_hints(experiment.Config)
    for known in fields(experiment.Config):
        kind = known.metadata.get("type") or _type_text(types[known.name])
        texts = [kind, value_text(defaults[known.name]), known.metadata.get("help", "")]
        table.add_row(known.name, *map(Text, texts))  # not str: their brackets are no markup
    return table


def series_table(series: Sequence[Series]) -> Table:
    """Return one line for each series that an experiment logs: tag, step and meaning."""
    table = Table("tag", "step", "meaning", title="What it logs in TensorBoard\n", title_justify="left", box=None)
    for one in series:
        table.add_row(one.tag, one.step, Text(one.meaning))
    return table


def _type_text(annotation: Any) -> str:
    if get_origin(annotation) is list:
        return f"list of {_type_text(get_args(annotation)[0])}"
    if get_args(annotation):
        return " or ".join(_type_text(part) for part in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " | ".join(annotation.__members__)
    return "null" if annotation is type(None) else annotation.__name__
