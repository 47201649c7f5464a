"""Measure the reference runs and write what follows: ``python scripts/reproduce.py [NAME ...] [KEY=VALUE ...]``.

Each run is measured by run.py's own code, so what is complete is not measured again and what was interrupted goes on.
Its record and figure are then copied to results/reference/, and the README's claim table is written from all of them.
KEY=VALUE says where from or by what, not what is measured: ``data_dir=PATH``, ``hydra/launcher=joblib``.
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
from experiments.reference import REFERENCE, RUNS, SWEEPS, experiment_of
from experiments.run_folder import chosen
from scripts.gather_sweep import gather

LARGEST_WEIGHTS = 8 * 2**20  # bytes
README = ROOT / "README.md"
BEGIN, END = "<!-- claims: written by scripts/reproduce.py -->", "<!-- end of claims -->"


def reproduce(arguments: Sequence[str]) -> int:
    """Measure and publish the runs named in ``arguments``, or all, and rewrite the README; return an exit code."""
    names = [argument for argument in arguments if "=" not in argument]
    overrides = [argument for argument in arguments if "=" in argument]
    try:
        if changing := [one for one in overrides if one.startswith("experiment=")] + chosen(overrides):
            raise InvalidInput(f"{changing[0]} would measure something else; allowed: data_dir=..., hydra...=...")
        for name in names or [*RUNS, *SWEEPS]:
            if name not in RUNS and name not in SWEEPS:
                raise InvalidInput(f"run {name!r} is unknown; allowed: {', '.join([*RUNS, *SWEEPS])}")
            if code := _sweep(name, overrides) if name in SWEEPS else _run(name, overrides):
                return code
        atomic_write(README, with_claims(README.read_text(), table()).encode())
    except (InvalidInput, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _run(name: str, overrides: Sequence[str]) -> int:
    if code := main([*RUNS[name], *(override for override in overrides if not override.startswith("hydra"))]):
        return code
    publish(folder_of(RUNS[name]), REFERENCE / name)
    return 0


def _sweep(name: str, overrides: Sequence[str]) -> int:
    """Run the sweeps of a study into one folder, gather and publish it."""
    folder = Path("results", "sweeps", experiment_of(name), f"reference-{name}")
    for sweep in SWEEPS[name]:
        if code := main(["-m", *sweep, *overrides, f"hydra.sweep.dir={folder}"]):
            return code
    gather(folder)
    publish(folder, REFERENCE / name)
    return 0


def publish(run: Path, folder: Path) -> None:
    """Copy a complete run's or sweep's record, table, figures and trained weights, if small, to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = [path.name for path in run.iterdir() if path.suffix in (".png", ".svg", ".gif", ".csv")]
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
