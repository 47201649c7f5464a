"""What an experiment is: a module with a Config, a Result, run and summary, and a figure drawn from the result."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from rich.console import RenderableType

from erf.errors import InvalidInput
from experiments.harness.override import Sweep
from experiments.harness.soundness import Sides
from experiments.harness.validation import LARGEST, require_allowed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONF = Path(__file__).parents[2] / "conf"
LARGEST_FLOAT = float(np.finfo(np.float32).max)


def option(
    default: Any,
    help: str,
    type: str | None = None,
    least: float | None = None,
    increasing_from: int | None = None,
    distinct: bool = False,
    fixed: str = "",
) -> Any:
    """Return a dataclass field with a default, its line of help, and what values are allowed.

    Args:
        default: A list is copied for each instance.
        help: What it is.
        type: What the help says in place of the annotation, where that says too little.
        least: The smallest number that is allowed, or the smallest entry of a list.
        increasing_from: Of a list that must increase, the smallest first entry.
        distinct: Whether it is a list whose entries must differ, at least one.
        fixed: Why no other value than the default is allowed, in words that follow the value.
    """
    metadata = {"help": help, "type": type, "least": least, "increasing_from": increasing_from, "distinct": distinct}
    metadata |= {"fixed": fixed}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def _require_plain(key: str, value: Any) -> None:
    """Raise InvalidInput for an empty string, as an unset variable leaves it: as a path it is the current folder.

    Likewise for a number that is too large: float32 cannot hold it, or it counts or measures something. NaN and
    infinity are such; a seed may have 63 bits.
    """
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, str) and not entry:
            raise InvalidInput(f"{key}={value!r} is empty, or a part of it is; allowed is a value")
        if isinstance(entry, float) and not abs(entry) <= LARGEST_FLOAT:
            raise InvalidInput(f"{key}={value}: allowed are finite numbers, up to {LARGEST_FLOAT:.1e}")
        most = 2**63 - 1 if key == "seed" else LARGEST
        if isinstance(entry, int) and abs(entry) > most:
            raise InvalidInput(f"{key}={value}: allowed are whole numbers up to {most}")


@dataclass
class ExperimentConfig:
    """The settings of every experiment; each one's ``Config`` gives ``name`` a default and adds its own.

    Raises:
        InvalidInput: A value is not allowed.
    """

    name: str = option("", "the experiment's name, fixed; it names the folder of results")
    seed: int = option(0, "all random numbers derive from it; >= 0")
    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps; auto takes a GPU where there is one")
    fresh: bool = option(False, "measure again, into a numbered folder, where there is a complete record")

    def __post_init__(self) -> None:
        name, *others = fields(self)
        if self.name != name.default:
            raise InvalidInput(f"name={self.name!r} cannot be chosen; allowed: {name.default!r}")
        for known in others:
            value = getattr(self, known.name)
            _require_plain(known.name, value)
            require_allowed(known.name, value, known.metadata)
            if value != known.default and (reason := known.metadata.get("fixed")):
                raise InvalidInput(f"{known.name}={value} {reason}; allowed: {known.default}")
        if self.seed < 0:
            raise InvalidInput(f"seed={self.seed} is negative; allowed: 0, 1, 2, ...")

    def require_possible(self) -> None:
        """Raise InvalidInput where this machine cannot measure it; asked before a run begins, not of a record."""

    @classmethod
    def updated(cls, recorded: dict[str, Any]) -> dict[str, Any]:
        """Return the settings of an older record as they are called today."""
        return recorded

    @classmethod
    def of_0_1(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Return settings as 0.1 had them, as far as it had them: what its runs' folders are named by."""
        return settings

    def files(self) -> list[Path]:
        """Return the files and folders that the settings name and whose contents are measured.

        Raises:
            InvalidInput: One of them is missing.
        """
        return []

    @cached_property
    def data(self) -> str | None:
        """SHA-256 of the images and labels of the data set that is measured; None for experiments that read none.

        Raises:
            InvalidInput: They cannot be read.
        """
        return None


class ExperimentResult(Protocol):
    """What a run returns: a frozen dataclass of plain numbers, tuples and such dataclasses, and large arrays."""

    @property
    def config(self) -> Any:
        """The config it was measured with; the dataclass's first field."""
        ...

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The large arrays by name, kept beside the numbers."""
        ...

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array that the numbers ask for, by name; a record is checked against it."""
        ...

    def metrics(self) -> dict[str, float]:
        """Return the few numbers that runs are compared by, for TensorBoard's HParams and a sweep's table."""
        ...


@dataclass(frozen=True)
class Experiment:
    """The parts of the folder ``experiments/<name>/``; those that draw are imported when something is drawn."""

    name: str
    help: str
    Config: type[ExperimentConfig]
    Result: type[Any]
    run: Callable[..., Any]
    summary: Callable[[Any], RenderableType]

    def draw(self, result: Any) -> Figure:
        """Return the experiment's figure of ``result``."""
        return self._figures.draw(result)

    @property
    def others(self) -> dict[str, Callable[[Any], Figure]]:
        """What makes further figures, by their names."""
        return getattr(self._figures, "OTHERS", {})

    @property
    def _figures(self) -> Any:
        return importlib.import_module(f"experiments.{self.name}.figure")


def run_names() -> list[str]:
    """Return the names that ``experiment=NAME`` takes: those that have a file ``conf/experiment/<name>.yaml``."""
    return sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


def scale_names(run: str) -> list[str]:
    """Return the names that ``scale=NAME`` takes for a run: those of ``conf/scale/<name>/<run>.yaml``, and ``null``.

    Raises:
        InvalidInput: There is no run of this name.
    """
    experiment_of(run)
    return ["null", *sorted(path.parent.name for path in (CONF / "scale").glob(f"*/{run}.yaml"))]


def unknown(what: str, name: str, allowed: Sequence[str]) -> InvalidInput:
    """Return the error for a name that is not allowed, which names the most similar one first, if one is similar."""
    nearest = "".join(f"nearest: {similar}; " for similar in difflib.get_close_matches(name, allowed, n=1))
    return InvalidInput(f"{what} is unknown; {nearest}allowed: {', '.join(allowed)}")


def experiment_of(run: str) -> str:
    """Return the experiment that ``conf/experiment/<run>.yaml`` is of.

    The first of its defaults is the experiment's schema, or the run from whose settings it differs.

    Raises:
        InvalidInput: There is no such file, or its defaults begin otherwise.
    """
    if run not in run_names():
        raise unknown(f"experiment={run!r}", run, run_names())
    path = CONF / "experiment" / f"{run}.yaml"
    first = re.search(r"^defaults:\n *- (/schema/)?(\w+)", path.read_text(), re.MULTILINE)
    if first is None or (first[2] == run and not first[1]):
        raise InvalidInput(f"{path}: its defaults begin with neither /schema/NAME@_global_ nor another run's name")
    return first[2] if first[1] else experiment_of(first[2])


def experiment_names() -> list[str]:
    """Return the names of all experiments: those that have a module ``experiments/<name>/experiment.py``, too."""
    return [run for run in run_names() if (CONF.parent / "experiments" / run / "experiment.py").exists()]


def load(run: str) -> Experiment:
    """Return the experiment that ``experiment=RUN`` runs, with its own settings or as a variant.

    Raises:
        InvalidInput: There is no run of this name.
    """
    name = experiment_of(run)
    module = importlib.import_module(f"experiments.{name}.experiment")
    help = (module.__doc__ or "").partition("\n")[0]
    return Experiment(name, help, module.Config, module.Result, module.run, module.summary)


@dataclass(frozen=True)
class Study:
    """The parts of ``experiments/<name>/study.py`` and its figure: many runs of an experiment gathered into one record.

    ``gather`` takes the results of all runs and raises InvalidInput where they do not make a study. ``caption`` says of
    how many runs a record is. ``swept`` are the settings that runs differ in. ``sweeps`` returns the study's sweeps by
    their first seed, and ``quick`` is what a quick study sweeps over instead.
    """

    name: str
    help: str
    Result: type[Any]
    gather: Callable[[Sequence[Any]], Any]
    summary: Callable[[Any], RenderableType]
    caption: Callable[[Any], str]
    swept: tuple[str, ...]
    sweeps: Callable[[int], tuple[Sweep, ...]]
    quick: Sweep

    def draw(self, record: Any) -> Figure:
        """Return the study's figure of ``record``."""
        return importlib.import_module(f"experiments.{self.name}.study_figure").draw(record)


def load_study(name: str) -> Study | None:
    """Return the study that gathers runs of the experiment called ``name``, if it has one."""
    if importlib.util.find_spec(f"experiments.{name}.study") is None:
        return None
    module = importlib.import_module(f"experiments.{name}.study")
    help = (module.__doc__ or "").partition("\n")[0]
    return Study(
        name=name,
        help=help,
        Result=module.Study,
        gather=module.gather,
        summary=module.summary,
        caption=module.caption,
        swept=module.SWEPT,
        sweeps=module.sweeps,
        quick=module.QUICK,
    )
