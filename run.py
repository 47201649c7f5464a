"""Run an experiment, or list them: ``python run.py --help``."""

import sys

from experiments.harness.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
