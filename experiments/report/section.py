"""What the page shows of one reference run: its figures, numbers, maps and provenance, or what is wrong with it."""

from __future__ import annotations

import hashlib
import importlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from erf.card.inspector import Pack
from erf.errors import InvalidInput
from experiments.harness.environment import Environment
from experiments.harness.experiment import Experiment, Study, load, load_study
from experiments.harness.record import RESULT, is_checked, is_complete, read_environment, read_record
from experiments.harness.reference_runs import STUDIES
from experiments.report import maps, provenance
from experiments.report.pictures import inlined

# Settings that say how often something was measured, for captions.
COUNTS = ("runs", "draws", "samples", "images", "seeds", "groups", "group_total")


@dataclass(frozen=True)
class Picture:
    """A figure as a data URI and what it shows in words; ``problem`` says why there is none."""

    name: str
    words: str
    source: str = ""
    width: int = 0
    height: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Section:
    """One reference run or study.

    ``problems`` says what is missing or damaged, ``checked`` whether the record has checksums. ``digest`` is the
    SHA-256 of result.json, by which one sees whether the page shows the record as it is. ``largest`` are pictures of
    its largest measured maps.
    """

    name: str
    experiment: Experiment | Study
    command: str
    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    settings: dict[str, Any] | None = None
    caption: str = ""
    numbers: str = ""
    pictures: tuple[Picture, ...] = ()
    environment: Environment | None = None
    checked: bool = False
    maps: Pack | None = None
    largest: dict[str, str] = field(default_factory=dict)
    digest: str = ""
    files: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is missing or damaged."""
        return not self.problems and not any(picture.problem for picture in self.pictures)


def section(folder: Path, name: str, command: str) -> Section:
    """Return what the page shows of the run or study ``name``, whose record ``command`` left in ``folder/name``."""
    record = folder / name
    of_runs = load(name)
    gathered = load_study(of_runs.name)
    study = gathered if name in STUDIES else None
    experiment = study or of_runs
    if not is_complete(record):
        return Section(name, experiment, command, (f"its record is missing: {name}/{RESULT}",))
    try:
        result = read_record(record, experiment.Result)
    except InvalidInput as error:
        return Section(name, experiment, command, (within(error, folder),), files=_files(record))
    environment, problems = _environment(record, folder)
    return Section(
        name=name,
        experiment=experiment,
        command=command,
        problems=problems,
        warnings=provenance.warnings(environment) if environment else (),
        settings={
            key: v for key, v in msgspec.to_builtins(result.config).items() if not study or key not in study.swept
        },
        # A study whose record is one of a run, too, has the words for both.
        caption=gathered.caption(result) if gathered and isinstance(result, gathered.Result) else _caption(result),
        numbers=as_text(experiment.summary(result)),
        pictures=tuple(_pictures(record, experiment, folder)),
        environment=environment,
        checked=is_checked(record),
        maps=maps.packed(result) if experiment.Result is of_runs.Result else None,  # a study's own arrays are curves
        largest=maps.largest(result),
        digest=hashlib.sha256((record / RESULT).read_bytes()).hexdigest(),
        files=_files(record),
    )


def as_text(summary: Any) -> str:
    """Return a summary for the terminal as plain text."""
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(summary)
    return "\n".join(line.rstrip() for line in console.export_text().splitlines())


def _environment(record: Path, folder: Path) -> tuple[Environment | None, tuple[str, ...]]:
    try:
        return read_environment(record), ()
    except InvalidInput as error:
        return None, (within(error, folder),)


def within(error: InvalidInput, folder: Path) -> str:
    """Return a message with paths as the page's reader knows them."""
    return str(error).replace(f"{folder}/", "")


def _files(record: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in record.iterdir() if not path.name.startswith(".")))


def _caption(result: Any) -> str:
    """Return statistic, runs, seed and interval of a record, as far as its settings name them."""
    settings = result.config
    named = [key for key in ("statistic", *COUNTS, "seed") if hasattr(settings, key)]
    said = [f"{key.replace('_', ' ')} {getattr(settings, key)}" for key in named]
    resampled = f" from {settings.bootstrap} resamplings" if getattr(settings, "bootstrap", 0) else ""
    resampled += f" of {result.resampled}" if hasattr(result, "resampled") else ""
    return f"{', '.join(said).capitalize()}; intervals are 95 %{resampled}."


def _pictures(record: Path, experiment: Experiment | Study, folder: Path) -> list[Picture]:
    figures = importlib.import_module(experiment.draw.__module__)
    words = {experiment.name: figures.__doc__ or ""}
    if isinstance(experiment, Experiment):
        words |= {name: _without_verb(draw.__doc__ or "") for name, draw in experiment.others.items()}
    return [picture(record, name, text.partition("\n")[0], folder) for name, text in words.items()]


def _without_verb(said: str) -> str:
    """Return what a drawing function draws, which its docstring opens with "Draw"."""
    said = said.removeprefix("Draw ")
    return said[:1].upper() + said[1:]


def picture(record: Path, name: str, words: str, folder: Path) -> Picture:
    """Return the figure ``name`` of the record in a folder of ``folder``, or what is wrong with it."""
    try:
        source, (width, height) = inlined(record / f"{name}.png")
    except InvalidInput as error:
        return Picture(name, words, problem=within(error, folder))
    return Picture(name, words, source, width, height)
