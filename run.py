"""Run an experiment, or list them: ``python run.py --help``."""

import sys
from importlib.util import find_spec

NEEDED = ("torch", "hydra", "rich")  # what a Python outside of the environment has not


def _require_environment():
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        sys.exit(
            f"error: {sys.executable} has no {', '.join(missing)}; activate the environment (. .venv/bin/activate), "
            "or make it (make)"
        )


if __name__ == "__main__":
    _require_environment()

    from experiments.harness.cli import main

    sys.exit(main(sys.argv[1:]))
