"""Write report.html from committed records, measuring nothing: ``python scripts/report.py [FOLDER]``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # experiments are not installed

from erf.errors import InvalidInput
from experiments.reference import REFERENCE
from experiments.report.page import write_report


def main(arguments: Sequence[str]) -> int:
    """Write the report of the folder named in ``arguments``, results/reference/ without; return the exit code."""
    try:
        if len(arguments) > 1 or not Path(arguments[0] if arguments else REFERENCE).is_dir():
            raise InvalidInput("one argument is allowed, a folder that holds a folder for each reference run")
        path = write_report(Path(arguments[0]) if arguments else REFERENCE)
    except (InvalidInput, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"report        {path} ({path.stat().st_size / 2**20:.1f} MiB)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
