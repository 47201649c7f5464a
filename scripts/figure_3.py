"""Draw Figure 3 of the records of trainings from several starts: ``python scripts/figure_3.py [FOLDER]``.

FOLDER holds the records ``cifar10_starts`` and ``camvid_starts``; the figure is written beside them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # experiments are not installed

from erf.errors import InvalidInput
from experiments.camvid.study import Study as CamvidStudy
from experiments.cifar10.study import Study as Cifar10Study
from experiments.harness.figure_file import write_figure
from experiments.harness.record import read_record
from experiments.harness.reference import REFERENCE
from experiments.trainings.study_figure import draw_starts
from scripts.options import filled_path

STUDIES = {"cifar10_starts": Cifar10Study, "camvid_starts": CamvidStudy}


def main(arguments: Sequence[str]) -> int:
    """Do what the command line ``arguments`` say and return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/figure_3.py", description=(__doc__ or "").partition(":")[0] + ".")
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        type=filled_path,
        nargs="?",
        default=REFERENCE,
        help="of the records",
    )
    folder = parser.parse_args(arguments).folder
    try:
        studies = [read_record(folder / name, kind) for name, kind in STUDIES.items()]
        write_figure(folder / "figure_3", draw_starts(studies))
    except (InvalidInput, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"figure        {folder / 'figure_3'}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
