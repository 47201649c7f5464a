"""Image files decoded into one array."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from erf.errors import InvalidInput, extra

with extra("data"):
    from PIL import Image

Size = tuple[int, int]  # rows, columns

COLOUR = ("RGB", "L", "P")  # modes of Pillow that mean the same as RGB; others have transparency or more than a byte
LABELS = ("L", "P")  # a byte a pixel: its value, or the index of its colour
# What Pillow raises on files that are cut off or damaged, depending on where.
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)


def read_images(paths: Sequence[Path], folder: Path, size: Size | None = None) -> tuple[np.ndarray, list[str]]:
    """Decode colour images: uint8 ``[N, H, W, 3]``, and the problems found, each in a few words.

    Args:
        paths: The files, at least one.
        folder: Which the problems' paths are relative to.
        size: That all must have; None: that of the first readable one.
    """
    return _read(paths, folder, size, COLOUR, convert=True)


def read_labels(paths: Sequence[Path], folder: Path, size: Size | None = None) -> tuple[np.ndarray, list[str]]:
    """Decode images of labels, uint8 ``[N, H, W]``: like :func:`read_images`, with pixels as they are stored."""
    return _read(paths, folder, size, LABELS, convert=False)


def _read(
    paths: Sequence[Path], folder: Path, size: Size | None, modes: Sequence[str], convert: bool
) -> tuple[np.ndarray, list[str]]:
    def decode(path: Path) -> np.ndarray | str:
        try:
            return _pixels(path, modes, convert)
        except InvalidInput as error:
            return str(error)
        except DAMAGED as error:
            return f"not a readable image ({' '.join(str(error).split()) or type(error).__name__})"

    pixels, problems = None, []
    with ThreadPoolExecutor() as threads:  # decoding releases the interpreter's lock
        for index, (path, found) in enumerate(zip(paths, threads.map(decode, paths), strict=True)):
            if isinstance(found, np.ndarray):
                size = size or (found.shape[0], found.shape[1])
                if found.shape[:2] == size:
                    pixels = np.zeros((len(paths), *found.shape), np.uint8) if pixels is None else pixels
                    pixels[index] = found
                    continue
                found = f"{found.shape[0]} x {found.shape[1]} pixels (rows x columns), not {size[0]} x {size[1]}"
            problems.append(f"{path.relative_to(folder)}: {found}")
    return np.zeros((0, 0, 0), np.uint8) if pixels is None else pixels, problems


def _pixels(path: Path, modes: Sequence[str], convert: bool) -> np.ndarray:
    with Image.open(path) as image:
        if image.mode not in modes:
            raise InvalidInput(f"pixels of mode {image.mode}; allowed: {', '.join(modes)}")
        return np.asarray(image.convert("RGB") if convert else image)
