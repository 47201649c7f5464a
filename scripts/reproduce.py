"""Measure the reference runs anew and write what follows from them: ``python scripts/reproduce.py [--help]``.

Each run is measured by run.py's own code, so what is complete is not measured again and what was interrupted goes on.
Its record and figures are then copied to the folder of evidence, and the claim table and the report are written from
all records there.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

sys.path.insert(0, str(Path(__file__).parents[1]))  # experiments are not installed

from erf.atomic_file import atomic_write
from erf.errors import InvalidInput
from experiments.claims import rows, table
from experiments.claims.comparison import compare
from experiments.cli import INTERRUPTED, folder_of, main
from experiments.record import ARRAYS, ENVIRONMENT, RESULT, ROOT, is_complete, read_environment
from experiments.reference import DATA, QUICK, REFERENCE, RUNS, changed
from experiments.report.page import write_report

LARGEST_WEIGHTS = 8 * 2**20  # bytes
README = ROOT / "README.md"
BEGIN, END = "<!-- claims: written by scripts/reproduce.py -->", "<!-- end of claims -->"


@dataclass(frozen=True)
class Evidence:
    """Runs, each by the overrides of run.py that measure it, and the folder that their records are copied to.

    ``pace`` is a guess of how long they take, in units of how long the reference took; ``note`` stands in the report.
    """

    folder: Path
    runs: dict[str, tuple[str, ...]]
    pace: float = 1.0
    note: str = ""


FULL = Evidence(REFERENCE, RUNS)
REDUCED = Evidence(
    ROOT / "results" / "quick",
    {name: changed(RUNS[name], QUICK[name]) for name in RUNS},
    pace=0.1,
    note="Measured at reduced size, to see that everything runs: the evidence is in results/reference/.",
)
VERIFY_SEED = 1  # the reference's is 0
REPEATED = Evidence(
    ROOT / "results" / "verify",
    {name: changed(RUNS[name], (f"seed={VERIFY_SEED}",)) for name in RUNS},
    note=f"Measured again at seed {VERIFY_SEED}, to be compared with results/reference/.",
)


@dataclass
class Pace:
    """How long runs take here, in units of how long they took when the reference was recorded.

    The pace assumed before the first run is done weighs as much as ``WEIGHT`` seconds of the reference.
    """

    assumed: float
    _taken: float = field(default=0.0, init=False)
    _expected: float = field(default=0.0, init=False)

    WEIGHT: ClassVar[float] = 200.0

    def done(self, name: str, seconds: float) -> None:
        """Note that the run ``name`` was measured in ``seconds``."""
        self._taken += seconds
        self._expected += expected_seconds(name)

    def left(self, names: Sequence[str]) -> float:
        """Return the seconds that the runs ``names`` will take."""
        pace = (self._taken + self.assumed * self.WEIGHT) / (self._expected + self.WEIGHT)
        return pace * sum(map(expected_seconds, names))


def expected_seconds(name: str) -> float:
    """Return how long the reference run ``name`` took; where it has no record, the mean of those that have one."""
    known = {run: read_environment(REFERENCE / run).seconds for run in RUNS if is_complete(REFERENCE / run)}
    return known.get(name, sum(known.values()) / max(len(known), 1))


def reproduce(arguments: Sequence[str]) -> int:
    """Do what the command line ``arguments`` say and return the exit code."""
    try:
        options = _options(arguments)
        evidence = REDUCED if options.quick else REPEATED if options.verify else FULL
        code = measure(evidence, options.only or list(RUNS), options.data_dir)
        if code != INTERRUPTED:
            write_up(evidence)
        if code == 0 and options.verify:
            code = verify()
    except (InvalidInput, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    return code


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/reproduce.py", description=(__doc__ or "").partition(":")[0] + ".")
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"only these of the runs {', '.join(RUNS)}")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="at reduced size, in minutes, into results/quick/")
    size.add_argument(
        "--verify", action="store_true", help="at another seed, into results/verify/, and compare with the reference"
    )
    parser.add_argument("--data-dir", default="data", help="where the data sets of the trainings lie (default: data)")
    options = parser.parse_args(arguments)
    for name in options.only or ():
        if name not in RUNS:
            raise InvalidInput(f"run {name!r} is unknown; allowed: {', '.join(RUNS)}")
    return options


def measure(evidence: Evidence, names: Sequence[str], data_dir: str) -> int:
    """Measure the runs called ``names``, as far as they have no record and their data are there.

    Returns:
        0; 1 where a run failed, after all others; 130 where one was interrupted.
    """
    folders = {name: folder_of(evidence.runs[name]) for name in names}  # refuses unusable settings before measuring
    without_data = [line for name in names if (line := _missing_data(name, data_dir))]
    failed, pace = [], Pace(evidence.pace)
    for number, name in enumerate(names, 1):
        to_do = [left for left in names[number - 1 :] if not _missing_data(left, data_dir)]
        left = _in_words(pace.left([name for name in to_do if not is_complete(folders[name])]))
        print(f"\n[{number}/{len(names)}] {name}, {left} left", flush=True)
        if name not in to_do:
            print(_missing_data(name, data_dir))
            continue
        code, seconds = _measure_one(evidence, name, folders[name], data_dir)
        if code == INTERRUPTED:
            return code
        if code:
            failed.append(name)
        elif seconds:
            pace.done(name, seconds)
    print("", *without_data, sep="\n")
    if failed:
        print(f"error: failed: {', '.join(failed)}; the messages stand above", file=sys.stderr)
    return 1 if failed else 0


def _missing_data(name: str, data_dir: str) -> str | None:
    """Return a line that says how to get the data of a training that are not there."""
    data = DATA.get(name)
    if data is None or (Path(data_dir) / data).is_dir():
        return None
    return f"{name} is skipped, as its data are missing: python scripts/fetch_data.py {data} --data-dir {data_dir}"


def _measure_one(evidence: Evidence, name: str, run: Path, data_dir: str) -> tuple[int, float]:
    """Measure a run unless ``run`` holds its record, and publish it; return the exit code and how long it took."""
    seconds = 0.0
    if is_complete(run):
        print(f"recorded already: {run}")
    else:
        start = time.monotonic()
        if code := main([*evidence.runs[name], *([f"data_dir={data_dir}"] if name in DATA else [])]):
            return code, 0.0
        seconds = time.monotonic() - start
    publish(run, evidence.folder / name)
    return 0, seconds


def _in_words(seconds: float) -> str:
    return "less than a minute" if seconds < 60 else f"about {seconds / 60:.0f} min"


def verify() -> int:
    """Print for each claim measured again whether its numbers and its verdict agree; return 1 if any does not."""
    compared = compare(rows(FULL.folder), rows(REPEATED.folder))
    print("\nlargest: difference in units of 1.96 sqrt(se_new² + se_old²); p: of it, by Holm over the claims")
    print(f"{'id':5}{'numbers':>8}{'largest':>9}{'p':>8}  {'verdict':32}{'again':32}")
    for one in compared:
        measured = f"{one.largest:9.2f}{one.adjusted:8.3f}" if one.numbers else f"{'-':>9}{'-':>8}"
        agrees = "agrees" if one.agrees else "DIFFERS"
        print(f"{one.id:5}{one.numbers:8}{measured}  {one.before:32}{one.after:32}{agrees}")
    return 0 if all(one.agrees for one in compared) else 1


def publish(run: Path, folder: Path) -> None:
    """Copy a complete run's record, figures and trained weights, if they are small, to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = [path.name for path in run.iterdir() if path.suffix in (".png", ".svg", ".gif")]
    weights = [path.name for path in run.glob("*.safetensors") if path.stat().st_size < LARGEST_WEIGHTS]
    for name in (*figures, *weights, ARRAYS, ENVIRONMENT, RESULT):
        atomic_write(folder / name, (run / name).read_bytes())


def write_up(evidence: Evidence) -> None:
    """Write the report from the records in the folder of evidence, and the README's table if it is the reference."""
    write_report(evidence.folder, evidence.runs, evidence.note)
    print(f"\nreport        {evidence.folder / 'report.html'}")
    if evidence is FULL:
        atomic_write(README, with_claims(README.read_text(), table()).encode())
        print(f"claim table   {README}")


def with_claims(readme: str, claims: str) -> str:
    """Return ``readme`` with the claim table between its marks replaced."""
    before, _, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise InvalidInput(f"README.md lacks the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{claims}\n{END}{after}"


if __name__ == "__main__":
    sys.exit(reproduce(sys.argv[1:]))
