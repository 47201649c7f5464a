"""Write what follows from committed records, measuring nothing: ``python scripts/report.py [FOLDER]``.

That is the folder's report.html and, where it is the reference, the README's claim table.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # experiments are not installed

from erf.errors import InvalidInput
from experiments.claims.readme import write_claims
from experiments.reference import REFERENCE
from experiments.report.page import write_report


def main(arguments: Sequence[str]) -> int:
    """Write it for the folder named in ``arguments``, results/reference/ without; return the exit code."""
    folder = Path(arguments[0]) if arguments else REFERENCE
    try:
        if len(arguments) > 1 or not folder.is_dir():
            raise InvalidInput("one argument is allowed, a folder that holds a folder for each reference run")
        path = write_report(folder)
        print(f"report        {path} ({path.stat().st_size / 2**20:.1f} MiB)")
        if folder.resolve() == REFERENCE:
            print(f"claim table   {write_claims()}")
    except (InvalidInput, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
