"""Image files decoded into one array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from erf.data.picture_file import opened, picture_warnings
from erf.errors import InvalidInput, decoding

Size = tuple[int, int]  # rows, columns

COLOUR = ("RGB", "L", "P")  # modes of Pillow that mean the same as RGB; others have transparency or more than a byte
LABELS = ("L", "P")  # a byte a pixel: its value, or the index of its colour


def read_images(
    paths: Sequence[Path], folder: Path, formats: Sequence[str], size: Size | None = None
) -> tuple[np.ndarray, list[str]]:
    """Decode colour images: uint8 ``[N, H, W, 3]``, and the problems found, each in a few words.

    Args:
        paths: The files, at least one.
        folder: Which the problems' paths are relative to.
        formats: Pillow's names of the decoders of this data set.
        size: That all must have; None: that of the first readable one.
    """
    return _read(paths, folder, size, lambda path: _pixels(path, formats, size, COLOUR, convert=True))


def read_labels(
    paths: Sequence[Path], folder: Path, formats: Sequence[str], size: Size | None = None
) -> tuple[np.ndarray, list[str]]:
    """Decode images of labels, uint8 ``[N, H, W]``: like :func:`read_images`, with pixels as they are stored."""
    return _read(paths, folder, size, lambda path: _pixels(path, formats, size, LABELS, convert=False))


def _read(
    paths: Sequence[Path], folder: Path, size: Size | None, decode: Callable[[Path], np.ndarray]
) -> tuple[np.ndarray, list[str]]:
    def pixels_or_problem(path: Path) -> np.ndarray | str:
        try:
            return decode(path)
        except InvalidInput as error:
            return str(error)

    pixels, problems = None, []
    with picture_warnings(), ThreadPoolExecutor() as threads:  # decoding releases the interpreter's lock
        for index, (path, outcome) in enumerate(zip(paths, threads.map(pixels_or_problem, paths), strict=True)):
            if isinstance(outcome, np.ndarray):
                rows, columns = outcome.shape[:2]
                size = size or (rows, columns)
                if (rows, columns) == size:
                    pixels = np.zeros((len(paths), *outcome.shape), np.uint8) if pixels is None else pixels
                    pixels[index] = outcome
                    continue
                outcome = _of_another_size((rows, columns), size)
            problems.append(f"{path.relative_to(folder)}: {outcome}")
    return np.zeros((0, 0, 0), np.uint8) if pixels is None else pixels, problems


def _pixels(path: Path, formats: Sequence[str], size: Size | None, modes: Sequence[str], convert: bool) -> np.ndarray:
    with decoding("not a readable image (", ")"), opened(path, formats) as image:
        if image.mode not in modes:
            raise InvalidInput(f"pixels of mode {image.mode}; allowed: {', '.join(modes)}")
        if size and size != (image.height, image.width):  # before it is decoded: it may be huge
            raise InvalidInput(_of_another_size((image.height, image.width), size))
        return np.asarray(image.convert("RGB") if convert else image)


def _of_another_size(size: Size, wanted: Size) -> str:
    return f"{size[0]} x {size[1]} pixels (rows x columns), not {wanted[0]} x {wanted[1]}"
