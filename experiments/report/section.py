"""What the page shows of one reference run: its figures, numbers, maps and provenance, or what is wrong with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from erf.card.inspector import Pack
from erf.errors import InvalidInput
from experiments.harness.environment import Environment
from experiments.harness.experiment import Experiment, Study, load, load_study
from experiments.harness.record import RESULT, is_checked, is_complete, read_environment, read_record
from experiments.harness.reference_runs import STUDIES
from experiments.report import maps, provenance
from experiments.report.figures import Picture, pictures, within
from experiments.report.tables import as_html

# Settings that say how often something was measured, for captions.
COUNTS = ("runs", "draws", "samples", "images", "seeds", "groups", "group_total")


@dataclass(frozen=True)
class Section:
    """One reference run or study.

    ``problems`` says what is missing or damaged, ``checked`` whether the record has checksums. ``digest`` is the
    SHA-256 of result.json, by which one sees whether the page shows the record as it is. ``largest`` are pictures of
    its largest measured maps. ``numbers`` is HTML.
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
        warnings=tuple(provenance.warnings(environment)) if environment else (),
        settings={
            key: v for key, v in msgspec.to_builtins(result.config).items() if not study or key not in study.swept
        },
        # A study whose record is one of a run, too, has the words for both.
        caption=gathered.caption(result) if gathered and isinstance(result, gathered.Result) else _caption(result),
        numbers=as_html(experiment.summary(result)),
        pictures=tuple(pictures(record, experiment, result, folder)),
        environment=environment,
        checked=is_checked(record),
        # A study's own arrays are curves, unless it says where the TRF lies in them.
        maps=maps.packed(result) if experiment.Result is of_runs.Result or hasattr(result, "trf_box") else None,
        largest=maps.largest(result),
        digest=hashlib.sha256((record / RESULT).read_bytes()).hexdigest(),
        files=_files(record),
    )


def _environment(record: Path, folder: Path) -> tuple[Environment | None, tuple[str, ...]]:
    try:
        return read_environment(record), ()
    except InvalidInput as error:
        return None, (within(error, folder),)


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
