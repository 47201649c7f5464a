"""Measure the reference runs and write what follows from them: ``python scripts/reproduce.py [NAME ...]``.

Each run is measured by run.py's own code, so what is complete is not measured again and what was interrupted goes on.
Its record and figure are then copied to results/reference/, and the README's claim table is written from all of them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # experiments are not installed

from erf.atomic_file import atomic_write
from erf.errors import InvalidInput
from experiments.claims import table
from experiments.cli import folder_of, main
from experiments.record import ARRAYS, ENVIRONMENT, RESULT, ROOT
from experiments.reference import REFERENCE, RUNS

LARGEST_WEIGHTS = 8 * 2**20  # bytes
README = ROOT / "README.md"
BEGIN, END = "<!-- claims: written by scripts/reproduce.py -->", "<!-- end of claims -->"


def reproduce(names: Sequence[str]) -> int:
    """Measure and publish the runs called ``names``, all without names, and rewrite the README; return an exit code."""
    try:
        for name in names or RUNS:
            if name not in RUNS:
                raise InvalidInput(f"run {name!r} is unknown; allowed: {', '.join(RUNS)}")
            if code := main(RUNS[name]):
                return code
            publish(folder_of(RUNS[name]), REFERENCE / name)
        atomic_write(README, with_claims(README.read_text(), table()).encode())
    except (InvalidInput, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def publish(run: Path, folder: Path) -> None:
    """Copy a complete run's record, figures and trained weights, if they are small, to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = [path.name for path in run.iterdir() if path.suffix in (".png", ".svg", ".gif")]
    weights = [path.name for path in run.glob("*.safetensors") if path.stat().st_size < LARGEST_WEIGHTS]
    for name in (*figures, *weights, ARRAYS, ENVIRONMENT, RESULT):
        atomic_write(folder / name, (run / name).read_bytes())


def with_claims(readme: str, claims: str) -> str:
    """Return ``readme`` with the claim table between its marks replaced."""
    before, _, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise InvalidInput(f"README.md lacks the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{claims}\n{END}{after}"


if __name__ == "__main__":
    sys.exit(reproduce(sys.argv[1:]))
