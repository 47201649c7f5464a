"""What is wrong with the files of a data set, in one line."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from erf.arguments import as_path
from erf.data.split import DataSet
from erf.errors import InvalidInput, one_line

SHOWN = 5  # problems in one message


def require_none(problems: Sequence[str], folder: Path) -> None:
    """Raise InvalidInput that names the first problems of ``folder`` and counts them, if there are any."""
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        more = [f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        raise InvalidInput(f"{folder}: {count}: {'; '.join([*problems[:SHOWN], *more])}")


def loaded(name: str, read: Callable[[Path, bool], DataSet], data_dir: Path | str, partial: bool) -> DataSet:
    """Return what ``read`` returns of ``data_dir/name``; where it fails, the error says how to fetch the data set."""
    folder = as_path(data_dir=data_dir) / name
    try:
        return read(folder, partial)
    except (InvalidInput, OSError) as error:
        command = f"python scripts/fetch_data.py {name} --data-dir {shlex.quote(str(data_dir))}"
        raise InvalidInput(f"data_dir={data_dir}: {one_line(error)}; to fetch it: {command}") from error
