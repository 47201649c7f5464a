"""Write what follows from committed records, measuring nothing: ``python scripts/report.py [FOLDER]``.

That is the folder's report.html and, where it is the reference, the README's tables of claims and of speed, and those
of docs/benchmark.md. A damaged record is shown as such on the page; it is said, too, and the exit code is 1.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # experiments are not installed

from erf.errors import InvalidInput, exit_code
from erf.files.atomic_file import atomic_write
from experiments.claims.pages import README, with_block, write_claims
from experiments.harness.environment import ROOT
from experiments.harness.experiment import experiment_of, load, load_study
from experiments.harness.record import is_complete, read_environment, read_record
from experiments.harness.reference import REFERENCE
from experiments.harness.reference_runs import STUDIES
from experiments.report.page import COMMANDS, write_report
from scripts.benchmarks.case import Report
from scripts.benchmarks.growth import Scaling
from scripts.benchmarks.markdown import growth, read, short_table, table
from scripts.gpu_check import study_on_gpu
from scripts.options import Parser, filled_path

BENCHMARK = "<!-- benchmark: written by scripts/report.py -->", "<!-- end of benchmark -->"
GROWTH = "<!-- growth: written by scripts/report.py -->", "<!-- end of growth -->"
DOCS = ROOT / "docs" / "benchmark.md"


def main(arguments: Sequence[str]) -> int:
    """Write it for the folder named in ``arguments``, results/reference/ without; return the exit code."""
    return exit_code(lambda: _report(arguments))


def _report(arguments: Sequence[str]) -> None:
    parser = Parser("report.py", __doc__)
    about = "holds a folder for each reference run; left out, results/reference/"
    parser.add_argument("folder", metavar="FOLDER", type=filled_path, nargs="?", default=REFERENCE, help=about)
    folder = parser.parse_args(arguments).folder
    names = [name for name in COMMANDS if is_complete(folder / name)]
    if not names:
        raise InvalidInput(f"{folder}: there is no record in it; allowed is a folder that holds one for each run")
    path = write_report(folder, speed=speed if folder.resolve() == REFERENCE else None)
    print(f"report        {path} ({path.stat().st_size / 2**20:.1f} MiB)")
    for name in names:
        require_record(folder / name)
    if folder.resolve() == REFERENCE:
        print(f"tables        {', '.join(map(str, write_claims()))}")
        timed, scaling = (REFERENCE / "benchmark" / f"{name}.json" for name in ("benchmark", "scaling"))
        _write(README, BENCHMARK, short_table(read(timed, Report, "benchmark.py --output")))
        _write(DOCS, BENCHMARK, speed(timed))
        _write(DOCS, GROWTH, growth(read(scaling, Scaling, "scaling.py --output"), study_on_gpu()))


def require_record(folder: Path) -> None:
    """Raise InvalidInput unless the record of a run or study, after which its folder is called, can be read."""
    experiment = load(experiment_of(folder.name))
    study = load_study(experiment.name) if folder.name in STUDIES else None
    read_record(folder, (study or experiment).Result)
    read_environment(folder)


def speed(record: Path) -> str:
    """Return the table of a benchmark's record."""
    return table(read(record, Report, "benchmark.py --output"))


def _write(page: Path, marks: tuple[str, str], text: str) -> None:
    """Write what was measured of speed between its marks on a page."""
    atomic_write(page, with_block(page.read_text(), *marks, text).encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
