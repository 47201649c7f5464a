"""Where a run's files lie: the same command finds the same folder again, and one process at a time measures there."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count, islice, takewhile
from pathlib import Path
from typing import Any

import msgspec

from erf.errors import InvalidInput
from erf.spelling import in_spelling_of_0_1
from experiments.harness import lock
from experiments.harness.experiment import ExperimentConfig
from experiments.harness.record import is_complete, recorded_data

ELSEWHERE = ("fresh", "data_dir")  # settings that say where to or where from, not what is measured
LOCK = ".lock"  # in a run's folder, while it is measured
DIGITS = 12  # of a SHA-256 that messages show
LONGEST = 100  # characters of overrides in a folder's name; the hash tells longer ones apart


def run_folder(parent: Path, overrides: Sequence[str], config: ExperimentConfig) -> Path:
    """Return ``parent/<overrides or default>-<hash of config>`` where it has no record yet. Where it has one, return
    the first of ``<...>``, ``<...>.2``, ``<...>.3``, ... whose record is of the config's data; where ``fresh``, the
    first without a record.

    The hash is also that of the files that the config names: when one changes, the folder is another.

    Raises:
        InvalidInput: Such a file is missing, or there are records of other data alone.
    """
    first = parent / f"{_slug(chosen_overrides(overrides, config.name))}-{_config_hash(config)}"
    records = list(takewhile(is_complete, _numbered(first)))
    if config.fresh or not records:
        return next(islice(_numbered(first), len(records), None))
    for record in records:
        if _is_of_data(record, config):
            return record
    raise _of_other_data(first, config, "fresh=true measures these")


def require_data(folder: Path, config: ExperimentConfig) -> None:
    """Raise InvalidInput where ``folder`` holds a record of other data than the config's."""
    if is_complete(folder) and not _is_of_data(folder, config):
        raise _of_other_data(folder, config, "to measure these, move that folder away")


def _is_of_data(record: Path, config: ExperimentConfig) -> bool:
    """Return whether a record is of the config's data, as far as both are known; a damaged one is found out later."""
    data = known_data(config)
    try:
        recorded = recorded_data(record)
    except InvalidInput:
        return True
    return data == recorded or None in (data, recorded)


def known_data(config: Any) -> str | None:
    """Return ``config.data``; None also where ``data_dir`` was left as it is and holds no usable data.

    Raises:
        InvalidInput: Another ``data_dir`` was chosen, and the data there cannot be read.
    """
    try:
        return config.data
    except InvalidInput:
        if config.data_dir != type(config).data_dir:
            raise
        return None


def _of_other_data(record: Path, config: Any, way_out: str) -> InvalidInput:
    recorded, data = (str(digest)[:DIGITS] for digest in (recorded_data(record), config.data))
    return InvalidInput(
        f"{record} is a record of other data (SHA-256 {recorded}...) than those in {config.data_dir} ({data}...); "
        f"{way_out}"
    )


def _numbered(first: Path) -> Iterator[Path]:
    yield first
    yield from (first.with_name(f"{first.name}.{number}") for number in count(2))


def sweep_folder(experiment: str, overrides: Sequence[str]) -> Path:
    """Return the folder of the sweep with these overrides, in which each job has its run folder."""
    chosen = chosen_overrides(overrides, experiment)
    return Path("results", "sweeps", _clean(experiment), f"{_slug(chosen)}-{_hash(chosen)}")


def study_folder(name: str, experiment: str, sweeps: Sequence[Sequence[str]]) -> Path:
    """Return the folder of the study ``name``, in which each job of all its ``sweeps`` has its run folder.

    It is another one where the sweeps are others, so that no job is in a study that it does not belong to.
    """
    return Path("results", "sweeps", experiment, f"{name}-{_hash(sweeps)}")


@contextmanager
def locked(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Keep other processes out of ``folder``, which is made where there is none.

    Raises:
        InvalidInput: Another process is at work there, and still is after ``patience`` seconds.
    """

    def refuse() -> None:
        raise InvalidInput(f"{folder}: another process is measuring here; wait for it or stop it")

    folder.mkdir(parents=True, exist_ok=True)
    with lock.locked(folder / LOCK, refuse, patience):
        yield


def chosen_overrides(overrides: Sequence[str], experiment: str) -> list[str]:
    """Return the overrides that change what is measured, in an order of their own; ``experiment`` names the parent."""
    left_out = re.compile(rf"experiment={re.escape(experiment)}$|[+~]*(({'|'.join(ELSEWHERE)})=|hydra[./])")
    return sorted(override for override in overrides if not left_out.match(override))


def run_name(overrides: Sequence[str], experiment: str) -> str:
    """Return what the run with these overrides is called where it needs no hash."""
    return _slug(chosen_overrides(overrides, experiment))


def _slug(chosen: Sequence[str]) -> str:
    return _clean("+".join(chosen))[:LONGEST] or "default"


def _clean(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._=+,-]", "", text)


def _config_hash(config: ExperimentConfig) -> str:
    settings = in_spelling_of_0_1(config.of_0_1(msgspec.to_builtins(config)))  # whose folders are found again
    for key in ELSEWHERE:
        settings.pop(key, None)
    files = config.files()
    return _hash([settings, *map(_digest, files)] if files else settings)


def _digest(path: Path) -> str:
    """Return a digest of a file's contents, or of the names, sizes and times of all files in a folder."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    inside = sorted(file for file in path.rglob("*") if file.is_file())
    states = [(file, file.stat()) for file in inside]
    return _hash([(str(file.relative_to(path)), state.st_size, state.st_mtime_ns) for file, state in states])


def _hash(settings: object) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
