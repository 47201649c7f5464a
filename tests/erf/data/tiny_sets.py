"""Tiny data sets on disk: the layouts of the real ones."""

from pathlib import Path

import numpy as np
from PIL import Image

from erf.data import camvid, cifar10


def write_image(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def cifar_folder(folder: Path, train: int = 3, test: int = 1, seed: int = 0) -> dict[str, np.ndarray]:
    """Write an image folder of PNG; return the pixels by path."""
    rng = np.random.default_rng(seed)
    pixels = {}
    for pool, count in {"train": train, "test": test}.items():
        for name in cifar10.CLASSES:
            for index in range(count):
                path = f"{pool}/{name}/{index:04}.png"
                pixels[path] = rng.integers(0, 256, (32, 32, 3), np.uint8)
                write_image(folder / path, pixels[path])
    return pixels


def cifar_binary(folder: Path, train: int = 3, test: int = 1, files: int = 2, seed: int = 0) -> None:
    """Write the files of the published binary version, byte by byte."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in {**{f"data_batch_{i + 1}": train for i in range(files)}, "test_batch": test}.items():
        content = b""
        for label in list(range(10)) * count:
            content += bytes([label]) + rng.bytes(3072)
        (folder / f"{name}.bin").write_bytes(content)


def camvid_folder(
    folder: Path, frames: int = 2, size: tuple[int, int] = (12, 16), seed: int = 0
) -> dict[str, np.ndarray]:
    """Write frames and labels, every label in every image; return the pixels by path."""
    rng = np.random.default_rng(seed)
    pixels = {}
    for part in camvid.FRAMES:
        for index in range(frames):
            pixels[f"{part}/{index:03}.png"] = rng.integers(0, 256, (*size, 3), np.uint8)
            labels = rng.integers(0, 12, size, np.uint8)
            labels.flat[:12] = range(12)
            pixels[f"{part}annot/{index:03}.png"] = labels
    for path, values in pixels.items():
        write_image(folder / path, values)
    return pixels
