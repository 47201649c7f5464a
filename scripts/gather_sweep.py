"""Gather the records of a sweep's jobs into one table and one figure: ``python scripts/gather_sweep.py FOLDER``.

Where the experiment has a study, its figure takes the place of the general one, and there is a record of it, too.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))  # experiments are not installed

from erf.errors import InvalidInput, exit_code
from erf.files.atomic_file import atomic_write
from experiments.harness.environment import Environment
from experiments.harness.experiment import Study, load, load_study
from experiments.harness.figure_file import write_figure
from experiments.harness.help import terminal
from experiments.harness.job import naming_command
from experiments.harness.override import value_text
from experiments.harness.record import (
    RESULT,
    UNCHECKED,
    is_checked,
    is_complete,
    read_environment,
    read_record,
    recorded_experiment,
    withdraw,
    write_record,
)
from experiments.harness.style import COLUMN, PAGE
from experiments.harness.table import table, text
from scripts.benchmarks.command import print_tables
from scripts.options import Parser, filled_path, filled_text
from scripts.sweep_figure import Point, draw


@dataclass(frozen=True)
class Job:
    """One complete job: its folder, its result, its settings and the numbers that jobs are compared by."""

    folder: Path
    result: Any
    settings: dict[str, Any]
    metrics: dict[str, float]
    checked: bool


def main(arguments: Sequence[str]) -> int:
    """Write the table, the figure and a study's record into the folder named in ``arguments``.

    Returns:
        The exit code: 1 also where a job is damaged; the others are gathered.
    """
    return exit_code(lambda: _gather(arguments))


def _gather(arguments: Sequence[str]) -> int:
    parser = Parser("gather_sweep.py", __doc__)
    parser.add_argument("folder", metavar="FOLDER", type=filled_path, help="a sweep's: results/sweeps/NAME/FOLDER")
    parser.add_argument("--sort", metavar="COLUMN", type=filled_text, help="of the table, its largest number first")
    given = parser.parse_args(arguments)
    if not given.folder.is_dir():
        raise InvalidInput(f"{given.folder} is no folder; allowed is a sweep's: results/sweeps/NAME/FOLDER")
    return 1 if gather(given.folder, given.sort) else 0


def gather(sweep: Path, sort: str | None = None) -> list[Path]:
    """Write what all complete jobs in ``sweep`` say together; name the others on stderr.

    Args:
        sweep: The folder of the jobs.
        sort: The column of the table whose largest number is the first row's; texts come in alphabetical order.

    Returns:
        The folders of jobs that are damaged. Where there is one, a study is not gathered.

    Raises:
        InvalidInput: There is no complete job, or no such column, or the jobs do not make their experiment's study.
    """
    jobs, damaged = _read_jobs(sweep)
    if not jobs:
        raise InvalidInput(f"{sweep}: there is no complete job in it")
    varying = _varying(jobs)
    if sort:
        jobs = _sorted(jobs, sort, [*varying, *_metric_names(jobs)])
    atomic_write(sweep / "sweep.csv", _table(jobs, varying).encode())
    print(f"{len(jobs)} jobs\ntable         {sweep / 'sweep.csv'}")
    if unchecked := sum(not job.checked for job in jobs):
        print(f"{unchecked} of them are {UNCHECKED}")
    names = {job.settings["name"] for job in jobs}
    study = load_study(names.pop()) if len(names) == 1 else None
    if study is None or damaged:
        _print_table(jobs, varying)
        points = [Point({key: job.settings.get(key) for key in varying}, job.metrics) for job in jobs]
        for name, width in {"sweep": PAGE, "sweep_column": COLUMN}.items():
            write_figure(sweep / name, draw(points, width))
            print(f"figure        {sweep / name}.png")
    else:
        _write_study(sweep, study, jobs)
    return damaged


def _write_study(sweep: Path, study: Study, jobs: Sequence[Job]) -> None:
    gathered = study.gather([job.result for job in jobs])
    name = gathered.config.name
    print_tables(study.summary(gathered))
    withdraw(sweep)  # the figure belongs to the new record
    write_figure(sweep / name, study.draw(gathered))
    write_record(sweep, gathered, _environment([read_environment(job.folder) for job in jobs]))
    print(f"figure        {sweep / name}.png\nrecord        {sweep / RESULT}")


def _environment(jobs: Sequence[Environment]) -> Environment:
    """Return that of the job started last, with the seconds of all, and the commits and devices of the others."""
    last = max(jobs, key=lambda job: job.started)
    commits = dict.fromkeys(commit for job in jobs for commit in (*job.earlier_commits, job.commit) if commit)
    devices = dict.fromkeys(device for job in jobs for device in (*job.earlier_devices, job.device))
    return replace(
        last,
        dirty=None if last.dirty is None else any(job.dirty for job in jobs),
        seconds=sum(job.seconds for job in jobs),
        earlier_commits=tuple(commit for commit in commits if commit != last.commit),
        earlier_devices=tuple(device for device in devices if device != last.device),
    )


def _read_jobs(sweep: Path) -> tuple[list[Job], list[Path]]:
    """Return the complete jobs, and the folders of the damaged ones."""
    jobs, damaged = [], []
    for folder in sorted(path for path in sweep.glob("[!.]*") if path.is_dir()):
        if not is_complete(folder):
            print(f"left out: {folder / RESULT} is missing", file=sys.stderr)
            continue
        try:
            jobs.append(_read_job(folder))
        except InvalidInput as error:
            print(f"left out: {error}", file=sys.stderr)
            damaged.append(folder)
    return jobs, damaged


def _read_job(folder: Path) -> Job:
    with naming_command(folder):
        result = read_record(folder, load(recorded_experiment(folder)).Result)
        return Job(folder, result, msgspec.to_builtins(result.config), result.metrics(), is_checked(folder))


def _varying(jobs: Sequence[Job]) -> list[str]:
    """Return the settings in which the jobs differ."""
    keys = dict.fromkeys(key for job in jobs for key in job.settings)
    return [key for key in keys if len({str(job.settings.get(key)) for job in jobs}) > 1]


def _metric_names(jobs: Sequence[Job]) -> list[str]:
    return list(dict.fromkeys(name for job in jobs for name in job.metrics))


def _table(jobs: Sequence[Job], varying: Sequence[str]) -> str:
    """Return the table as CSV; a number that a job does not have stays empty."""
    file = io.StringIO()
    rows = csv.DictWriter(file, ["folder", *varying, *_metric_names(jobs)], lineterminator="\n")
    rows.writeheader()
    for job in jobs:
        settings = {key: job.settings.get(key) for key in varying}
        rows.writerow({"folder": job.folder.name} | settings | job.metrics)
    return file.getvalue()


def _sorted(jobs: Sequence[Job], column: str, columns: Sequence[str]) -> list[Job]:
    """Return the jobs by their numbers in ``column``, the largest first and those without one last, or by its texts."""
    if column not in columns:
        raise InvalidInput(f"--sort {column}: there is no such column; allowed: {', '.join(columns)}")

    def place(job: Job) -> tuple[int, float, str]:
        value = {**job.settings, **job.metrics}.get(column)
        is_number = isinstance(value, int | float)
        return (not is_number, -value if is_number else 0.0, value_text(value))

    return sorted(jobs, key=place)


def _print_table(jobs: Sequence[Job], varying: Sequence[str]) -> None:
    """Print the columns that the terminal has room for, whole; the file of the table has all of them."""
    console = terminal()
    columns = {name: [value_text(job.settings.get(name)) for job in jobs] for name in varying}
    for name in _metric_names(jobs):
        columns[name] = [text(job.metrics.get(name), 4) for job in jobs]
    widths = accumulate(3 + max(map(len, [name, *cells])) for name, cells in columns.items())
    names = [name for name, width in zip(columns, widths, strict=True) if width < console.width]
    console.print(table(range(len(jobs)), *((name, columns[name].__getitem__) for name in names)))
    if others := [name for name in columns if name not in names]:
        print(f"{len(others)} more columns: {', '.join(others)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
