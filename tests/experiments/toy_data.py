"""Data sets as small as they may be, in a folder that ends with the process."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from erf.data import camvid, cifar10


@cache
def toy_data() -> Path:
    """Return the folder that holds both; it is removed with the last reference to it."""
    folder = tempfile.TemporaryDirectory(prefix="toy_data")
    _KEPT.append(folder)
    _write_cifar10(Path(folder.name) / cifar10.NAME)
    _write_camvid(Path(folder.name) / camvid.NAME)
    return Path(folder.name)


_KEPT: list[tempfile.TemporaryDirectory] = []


def _write_cifar10(folder: Path) -> None:
    """Six training images of each class, of which one is for validation, and two test images; noise over a colour."""
    rng = np.random.default_rng(0)
    for pool, count in (("train", 6), ("test", 2)):
        for label, name in enumerate(cifar10.CLASSES):
            for index in range(count):
                pixels = rng.integers(0, 100, (32, 32, 3))
                pixels[..., label % 3] += 10 * label
                _write(folder / pool / name / f"{index}.png", pixels)


def _write_camvid(folder: Path) -> None:
    """Frames of 48 x 64 pixels with a patchwork of all classes, some of it void."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 6), ("val", 4), ("test", 2)):
        for index in range(count):
            patches = rng.permutation(np.arange(48) % (camvid.VOID + 1)).reshape(6, 8)
            labels = np.kron(patches, np.ones((8, 8), int))
            _write(folder / part / f"{index}.png", 20 * labels[..., None] + rng.integers(0, 30, (48, 64, 3)))
            _write(folder / f"{part}annot" / f"{index}.png", labels)


def _write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
