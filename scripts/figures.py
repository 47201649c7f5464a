"""Draw the figures of committed records again, measuring nothing: ``python scripts/figures.py [FOLDER]``.

FOLDER holds a folder for each run and study, as results/reference/ does. Each figure is written beside its record, and
Figure 3, which shows two studies, beside theirs. So is the figure of scaling.py. The captions of results/reference/ go
into the pages that show them.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # experiments are not installed

from matplotlib.figure import Figure

from erf.errors import InvalidInput, exit_code
from erf.files.atomic_file import atomic_write
from experiments.camvid.study import Study as CamvidStudy
from experiments.cifar10.study import Study as Cifar10Study
from experiments.harness.environment import ROOT
from experiments.harness.experiment import experiment_of, load, load_study
from experiments.harness.figure_columns import write_columns
from experiments.harness.figure_file import write_figure
from experiments.harness.record import is_complete, read_record
from experiments.harness.reference import REFERENCE
from experiments.harness.reference_runs import RUNS, STUDIES
from experiments.harness.style import SHEETS, use
from experiments.trainings.study_figure import draw_starts
from scripts.benchmarks.growth import Scaling
from scripts.benchmarks.markdown import read
from scripts.options import Parser, filled_path, filled_text
from scripts.scaling import draw as draw_scaling

PAGES = ROOT / "docs" / "experiments"
FIGURE_3 = {"cifar10_starts": Cifar10Study, "camvid_starts": CamvidStudy}


def main(arguments: Sequence[str]) -> int:
    """Do what the command line ``arguments`` say and return the exit code."""
    return exit_code(lambda: _redraw(_options(arguments)))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser("figures.py", __doc__)
    parser.add_argument("folder", metavar="FOLDER", type=filled_path, nargs="?", default=REFERENCE, help="of records")
    parser.add_argument(
        "--only", metavar="NAME", type=filled_text, nargs="+", help="of these runs and studies, figure_3 or scaling"
    )
    parser.add_argument("--style", choices=[*SHEETS], default="paper", help="the screen's has larger text")
    parser.add_argument(
        "--columns", action="store_true", help="also each panel on its own, as wide as a column of 3.25 inches"
    )
    return parser.parse_args(arguments)


def _redraw(given: argparse.Namespace) -> None:
    known = [*RUNS, *STUDIES, "figure_3", "scaling"]
    if unknown := {*(given.only or ())} - {*known}:
        raise InvalidInput(f"--only {min(unknown)} is unknown; allowed: {', '.join(known)}")
    use(given.style)
    try:
        drawn = {path: draw() for path, draw in _figures(given.folder, given.only)}
        for path, figure in drawn.items():
            write_figure(path, figure)
            print(f"figure        {path}.png")
            if path.is_relative_to(REFERENCE):
                _caption_pages(path.relative_to(ROOT), figure)
            for column in write_columns(path, figure) if given.columns else ():
                print(f"column        {column}.png")
    finally:
        use("paper")
    if not drawn:
        raise InvalidInput(f"there is no such record in {given.folder}")


def _figures(folder: Path, only: Sequence[str] | None) -> Iterator[tuple[Path, Callable[[], Figure]]]:
    """Return the path of each figure of complete records, without its ending, and what draws it."""
    for name in [*RUNS, *STUDIES]:
        if is_complete(folder / name) and (not only or name in only):
            of_runs = load(experiment_of(name))
            study = load_study(of_runs.name) if name in STUDIES else None
            experiment, others = (study, {}) if study else (of_runs, of_runs.others)
            result = read_record(folder / name, experiment.Result)
            for figure, draw in {experiment.name: experiment.draw, **others}.items():
                yield folder / name / figure, partial(draw, result)
    if all(is_complete(folder / name) for name in FIGURE_3) and (not only or "figure_3" in only):
        studies = [read_record(folder / name, kind) for name, kind in FIGURE_3.items()]
        yield folder / "figure_3", partial(draw_starts, studies)
    scaling = folder / "benchmark" / "scaling.json"
    if scaling.exists() and (not only or "scaling" in only):
        yield scaling.with_suffix(""), partial(draw_scaling, read(scaling, Scaling, "scaling.py --output").curves)


def _caption_pages(path: Path, figure: Figure) -> None:
    """Write a figure's message and caption where a page of the experiments shows it, in place of those before."""
    link = f"](../../{path}.png)"
    for page in PAGES.glob("*.md"):
        if link in (text := page.read_text()):
            atomic_write(page, captioned(text, link, figure).encode())


def captioned(page: str, link: str, figure: Figure) -> str:
    """Return a page with the figure's message as the text of its ``link``, and its caption in the lines after it."""
    message = " ".join(figure.get_suptitle().split())
    text = f"![{message}{link}\n\n> {figure.get_label()}\n"
    return re.sub(rf"^!\[.*{re.escape(link)}\n(\n> .*\n)?", lambda _: text, page, flags=re.MULTILINE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
