"""What is wrong with the files of a data set, in one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from erf.errors import InvalidInput

SHOWN = 5  # problems in one message


def require_none(problems: Sequence[str], folder: Path) -> None:
    """Raise InvalidInput that names the first problems of ``folder`` and counts them, if there are any."""
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        more = [f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        raise InvalidInput(f"{folder}: {count}: {'; '.join([*problems[:SHOWN], *more])}")


def fetching(name: str, data_dir: Path) -> str:
    """Return the end of a message: which command fetches the data set."""
    return f"to fetch it: python scripts/fetch_data.py {name} --data-dir {data_dir}"
