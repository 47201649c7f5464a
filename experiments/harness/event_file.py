"""TensorBoard's events of a run, and where they lie: TensorBoard calls a run by the folder that its events are in."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]  # generated
from tensorboard.summary.writer.record_writer import RecordWriter

from erf.files.atomic_file import naming

RESULTS = Path("results")
KINDS = "runs", "sweeps"  # of folders in it
EVENTS = "tensorboard"


def board_of(parent: Path) -> Path:
    """Return the folder that TensorBoard is given to show the runs in ``parent``.

    It is ``results/tensorboard/NAME`` for ``results/runs/NAME``, ``results/tensorboard/NAME/SWEEP`` for
    ``results/sweeps/NAME/SWEEP``, and any other folder itself.
    """
    if not any(parent.absolute().is_relative_to((RESULTS / kind).absolute()) for kind in KINDS):
        return parent
    _, *names = parent.absolute().relative_to(RESULTS.absolute()).parts
    return RESULTS.joinpath(EVENTS, *names)


def events_folder(run: Path, name: str) -> Path:
    """Return the folder, made where there is none, of the events of the run in the folder ``run``.

    In a board of its own it is called by ``name``, with a number where the events of another run have that name, too;
    elsewhere it is in ``run``.
    """
    board = board_of(run.parent)
    if board == run.parent:
        return run / EVENTS
    for number in count(1):
        folder = board / (name if number == 1 else f"{name}.{number}")
        if _takes(folder, run):
            return folder
    raise AssertionError


def _takes(folder: Path, run: Path) -> bool:
    """Return whether ``folder`` is new, and then made, or holds events of ``run``: a file's name says whose it is."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return any(path.name.endswith(f".{run.name}") for path in folder.iterdir())
    return True


class EventFile:
    """TensorBoard's events, each on disk when ``add`` returns.

    TensorBoard's own writer leaves that to a thread, in which a full disk goes unnoticed or ends in a traceback.

    Args:
        folder: Whose earlier events are removed.
        run: The name of the run's folder.
    """

    def __init__(self, folder: Path, run: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for earlier in folder.iterdir():
            earlier.unlink()
        self._path = folder / f"events.out.tfevents.{time.time():.0f}.{run}"
        self._append(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add(self, content: Any, step: int) -> None:
        """Write a summary."""
        self._append(Event(wall_time=time.time(), step=step, summary=content))

    def _append(self, event: Event) -> None:
        with naming(self._path), self._path.open("ab") as file:
            RecordWriter(file).write(event.SerializeToString())
