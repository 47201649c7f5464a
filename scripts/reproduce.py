"""Measure the reference runs anew and write what follows from them: ``python scripts/reproduce.py [--help]``.

Each run is measured by run.py's own code, so what is complete is not measured again and what was interrupted goes on;
so is each job of a study, whose records are then gathered into one. Records and figures are copied to the folder of
evidence, and the claim table and the report are written from all records there.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # experiments are not installed

from erf.errors import INTERRUPTED, InvalidInput
from experiments.claims import own_rows, rows
from experiments.claims.comparison import compare
from experiments.claims.pages import write_claims
from experiments.harness.cli import config_of, exit_code
from experiments.harness.experiment import experiment_of
from experiments.harness.job import naming_command
from experiments.harness.record import ARRAYS, ENVIRONMENT, RESULT, replace_files, require_as_written
from experiments.harness.reference_runs import DATA, STUDIES
from experiments.report.page import write_report
from scripts.evidence import FULL, REDUCED, VERIFY_SEED, Evidence, Run, Study, repeated
from scripts.options import Parser, filled_text
from scripts.pace import Pace, expected_seconds
from scripts.report import speed

LARGEST_WEIGHTS = 8 * 2**20  # bytes


def reproduce(arguments: Sequence[str]) -> int:
    """Do what the command line ``arguments`` say and return the exit code."""
    return exit_code(lambda: _reproduce(_options(arguments)))


def _reproduce(options: argparse.Namespace) -> int:
    evidence = REDUCED if options.quick else repeated(options.verify) if options.verify else FULL
    code = measure(
        evidence, options.only or sorted(evidence.names(), key=expected_seconds), options.data_dir, options.launcher
    )
    if code == INTERRUPTED:
        return code
    write_up(evidence)
    return verify(evidence) or code if options.verify else code


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser("reproduce.py", __doc__)
    parser.add_argument(
        "--only", type=filled_text, nargs="+", metavar="NAME", help=f"only these of {', '.join(FULL.names())}"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="at reduced size, in minutes, into results/quick/")
    size.add_argument(
        "--verify",
        type=other_seed,
        nargs="?",
        const=VERIFY_SEED,
        metavar="SEED",
        help="at another seed (1), into results/verify/ or verify-SEED/, and compare with the reference",
    )
    parser.add_argument(
        "--data-dir", type=filled_text, default="data", help="where the data sets of the trainings lie (default: data)"
    )
    parser.add_argument(
        "launcher",
        type=filled_text,
        nargs="*",
        metavar="KEY=VALUE",
        help="how a study's jobs are run: hydra/launcher=joblib, ...",
    )
    options = parser.parse_intermixed_args(arguments)
    after_only = [name for name in options.only or () if "=" in name]  # --only takes what follows it
    options.launcher += after_only
    options.only = [name for name in options.only or () if name not in after_only]
    for name in options.only:
        if name not in FULL.names():
            raise InvalidInput(f"run {name!r} is unknown; allowed: {', '.join(FULL.names())}")
    if options.data_dir != parser.get_default("data_dir") and not Path(options.data_dir).is_dir():
        raise InvalidInput(f"--data-dir {options.data_dir}: there is no such folder; allowed is one of data sets")
    _check_launcher(options.launcher, options.only or FULL.names())
    return options


def other_seed(text: str) -> int:
    """Return the number of a seed that is not the reference's 0."""
    if not text.isdecimal() or not 0 < int(text) < 2**63:
        raise argparse.ArgumentTypeError(f"{text!r}: allowed are whole numbers from 1, below 2^63; the reference has 0")
    return int(text)


def _check_launcher(overrides: Sequence[str], names: Sequence[str]) -> None:
    """Raise InvalidInput unless the overrides say how studies can be run, and all of ``names`` are studies."""
    for one in overrides:
        if not re.match(r"hydra(/launcher|\.launcher\.[\w.]+)=", one):
            allowed = "hydra/launcher=NAME, hydra.launcher.KEY=VALUE; names of runs stand after --only"
            raise InvalidInput(f"{one} cannot be chosen here; allowed: {allowed}")
        if not {*names} <= {*STUDIES}:
            raise InvalidInput(f"{one} is for studies; allowed with --only and these names: {', '.join(STUDIES)}")
    if overrides:
        config_of([f"experiment={experiment_of(names[0])}", *overrides])


def measure(evidence: Evidence, names: Sequence[str], data_dir: str, launcher: Sequence[str] = ()) -> int:
    """Measure the runs called ``names``, as far as they have no record and their data are there.

    Returns:
        0; 1 where a run failed, after all others; 130 where one was interrupted.
    """
    without_data = {name: line for name in names if (line := _missing_data(name, data_dir))}
    others = {name: [*launcher, *([f"data_dir={data_dir}"] if name in DATA else [])] for name in names}
    # All of them before the first is measured: unusable settings are refused.
    tasks = {name: evidence.task(name, others[name]) for name in names if name not in without_data}
    failed, pace = [], Pace(evidence.pace)
    for number, name in enumerate(names, 1):
        to_do = {left: tasks[left].left() for left in names[number - 1 :] if left in tasks}
        print(f"\n[{number}/{len(names)}] {name}, {_in_words(pace.left(to_do))} left", flush=True)
        if name not in to_do:
            print(without_data[name])
            continue
        code, seconds = _measure_one(tasks[name], evidence.folder / name, others[name])
        if code == INTERRUPTED:
            return code
        if code:
            failed.append(name)
        elif seconds:
            pace.done(name, to_do[name], seconds)
    print("", *without_data.values(), sep="\n")
    if failed:
        print(f"error: failed: {', '.join(failed)}; the messages stand above", file=sys.stderr)
    return 1 if failed else 0


def _missing_data(name: str, data_dir: str) -> str | None:
    """Return a line that says how to get the data of a training that are not there."""
    missing = [data for data in DATA.get(name, ()) if not (Path(data_dir) / data).is_dir()]
    if not missing:
        return None
    commands = "; ".join(f"python scripts/fetch_data.py {data} --data-dir {data_dir}" for data in missing)
    return f"{name} is skipped, as its data are missing: {commands}"


def _measure_one(task: Run | Study, published: Path, others: Sequence[str]) -> tuple[int, float]:
    """Measure what has no record, and publish it; return the exit code and how long it took."""
    seconds = 0.0
    if not task.left():
        print(f"recorded already: {task.folder}")
    else:
        start = time.monotonic()
        if code := task.measure(others):
            return code, 0.0
        seconds = time.monotonic() - start
    try:
        with naming_command(task.folder):
            require_as_written(task.folder)
    except InvalidInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 1, seconds
    publish(task.folder, published)
    return 0, seconds


def _in_words(seconds: float) -> str:
    return "less than a minute" if seconds < 60 else f"about {seconds / 60:.0f} min"


def verify(evidence: Evidence) -> int:
    """Print for each claim, and each of our own, whether its numbers and its verdict agree; return 1 if any does not.

    A claim that was not measured again says so.
    """
    before, again = ([*rows(folder), *own_rows(folder)] for folder in (FULL.folder, evidence.folder))
    compared = {one.id: one for one in compare(before, again)}
    print("\nmargin: 1.96 sqrt(se_new² + se_old²); p: of the largest difference in it, by Holm over the claims")
    for row in again:
        comparison = compared.get(row.id)
        if comparison is None:
            print(f"{row.id:5}{'-':9}not measured both times: {', '.join(row.runs)}")
            continue
        print(f"{row.id:5}{'agrees' if comparison.agrees else 'DIFFERS':9}{comparison.in_words()}")
    held, numbers = (sum(getattr(one, name) for one in compared.values()) for name in ("held", "numbers"))
    print(f"{held} of {numbers} intervals hold the new value; with equal errors in both, 83 % are expected to")
    return 0 if all(one.agrees for one in compared.values()) else 1


def publish(run: Path, folder: Path) -> None:
    """Copy the record, figures, table and trained weights, if small, of a complete run or study to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = [path.name for path in run.iterdir() if path.suffix in (".png", ".svg", ".pdf", ".gif", ".csv")]
    weights = [path.name for path in run.glob("*.safetensors") if path.stat().st_size < LARGEST_WEIGHTS]
    names = (*figures, *weights, ARRAYS, ENVIRONMENT, RESULT)
    replace_files(folder, {name: (run / name).read_bytes() for name in names})


def write_up(evidence: Evidence) -> None:
    """Write the report from the records in the folder of evidence, and the README's table if it is the reference."""
    write_report(evidence.folder, evidence.commands(), evidence.note, speed if evidence is FULL else None)
    print(f"\nreport        {evidence.folder / 'report.html'}")
    if evidence is FULL:
        print(f"claim tables  {', '.join(map(str, write_claims()))}")


if __name__ == "__main__":
    sys.exit(reproduce(sys.argv[1:]))
