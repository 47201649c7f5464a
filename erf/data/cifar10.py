"""CIFAR-10: 50,000 training and 10,000 test images of 32 x 32 pixels in 10 classes (Krizhevsky 2009)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from erf.arguments import as_path, require_type, shown
from erf.data.image_files import read_images
from erf.data.problems import loaded, require_none
from erf.data.split import DataSet, Split
from erf.errors import InvalidInput, decoding
from erf.files.regular_file import open_regular
from erf.seeds import generator

NAME = "cifar10"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE = 32
PER_CLASS = {"train": 5000, "test": 1000}  # images of each class
VALIDATION_SHARE = 10  # one training image in so many is kept for validation: 5,000
SPLIT_SEED = 0  # of which ones; it does not follow the seed of the training
FILES = {"train": "data_batch_*.bin", "test": "test_batch.bin"}  # of the published binary version
RECORD = 1 + 3 * SIDE * SIDE  # bytes: the label, then the red, the green and the blue pixels
SUFFIXES = (".jpg", ".jpeg", ".png")
FORMATS = ("JPEG", "PNG")
IMAGES = len(CLASSES) * PER_CLASS["train"]  # of a file at most


def load(data_dir: Path | str, partial: bool = False) -> DataSet:
    """Return the data set in ``data_dir/cifar10``, as :func:`read` does; the error says how to fetch it."""
    return loaded(NAME, read, data_dir, partial)


def read(folder: Path, partial: bool = False) -> DataSet:
    """Return the data set in ``folder``, one training image of ten of each class kept for validation.

    Args:
        folder: Holds the files of the published binary version, ``data_batch_1.bin`` ... and ``test_batch.bin``, or
            images as ``train|test/<class>/*.jpg|png``. (The better known version for Python is made of pickles, which
            can run any code when they are read; its pixels are the same.)
        partial: Accept fewer images than were published, at least 2 and 1 of each class.

    Raises:
        InvalidInput: Something is missing, unreadable or out of range; the message names the first problems.
    """
    pools = read_pools(folder, partial)
    held_out = _validation(pools["train"])
    train, validation = (pools["train"].subset(chosen.nonzero().flatten()) for chosen in (~held_out, held_out))
    return DataSet.normalized(train, validation, pools["test"], CLASSES)


def is_in(folder: Path) -> bool:
    """Return whether ``folder`` looks like CIFAR-10 or a part of it."""
    folder = as_path(folder=folder)
    return any(_binary(folder).values()) or any((folder / pool / name).is_dir() for pool in FILES for name in CLASSES)


def read_pools(folder: Path, partial: bool = False) -> dict[str, Split]:
    """Return all training images as "train", those to be kept for validation included, and "test"; see :func:`read`."""
    folder = as_path(folder=folder)
    require_type(bool, partial=partial)
    if not is_in(folder):
        raise InvalidInput(f"{folder} holds no CIFAR-10: neither {FILES['test']} and the like nor train|test/<class>/*")
    binary = _binary(folder)
    problems: list[str] = []
    pools = {}
    for pool in FILES:
        if any(binary.values()):
            images, labels = _read_binary(binary[pool], problems)
        else:
            images, labels = _read_folder(folder, pool, problems)
        problems += _miscounted(labels, pool, partial)
        pools[pool] = images, labels
    require_none(problems, folder)
    return {
        pool: Split(torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels).long())
        for pool, (images, labels) in pools.items()
    }


def write_pools(pools: dict[str, Split], folder: Path) -> None:
    """Write "train" and "test" into ``folder`` in the format of the published binary version, decoded once for all."""
    folder = as_path(folder=folder)
    if not folder.is_dir():
        raise InvalidInput(f"folder={shown(folder)}: there is no such folder")
    require_type(dict, pools=pools)
    if not pools.keys() <= FILES.keys():
        raise InvalidInput(f"pools={shown(pools)}: allowed are {' and '.join(FILES)}")
    for pool, split in pools.items():
        require_type(Split, **{pool: split})
        pixels = split.images.contiguous().flatten(1).numpy()
        records = np.concatenate([split.labels.to(torch.uint8).numpy()[:, None], pixels], axis=1)
        (folder / FILES[pool].replace("*", "1")).write_bytes(records.tobytes())


def _binary(folder: Path) -> dict[str, list[Path]]:
    return {pool: sorted(folder.glob(pattern)) for pool, pattern in FILES.items()}


def _read_binary(paths: list[Path], problems: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return images ``[N, H, W, 3]`` and labels ``[N]``."""
    records = [np.zeros((0, RECORD), np.uint8)]
    for path in paths:
        try:
            records.append(_records(path))
        except InvalidInput as error:
            problems.append(f"{path.name}: {error}")
            continue
        for record in np.flatnonzero(records[-1][:, 0] >= len(CLASSES)):
            problems.append(f"{path.name}: image {record} has label {records[-1][record, 0]}, allowed are 0 to 9")
    joined = np.concatenate(records)
    planes = joined[:, 1:].reshape(-1, 3, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), joined[:, 0]


def _records(path: Path) -> np.ndarray:
    """Return the file's records, uint8 ``[n, RECORD]``."""
    with decoding("not readable (", ")"), open_regular(path) as file:
        content = np.frombuffer(file.read(IMAGES * RECORD + 1), np.uint8)
    if content.size > IMAGES * RECORD:
        raise InvalidInput(f"over {IMAGES} images, which are all of the data set")
    if content.size % RECORD:
        raise InvalidInput(f"{content.size} bytes are not a whole number of records of {RECORD} bytes")
    return content.reshape(-1, RECORD)


def _read_folder(folder: Path, pool: str, problems: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return images ``[N, H, W, 3]`` and labels ``[N]``, classes in order."""
    present = {path.name for path in (folder / pool).glob("[!.]*") if path.is_dir()}
    problems += [f"{pool}/{name}: not a class; allowed: {', '.join(CLASSES)}" for name in sorted(present - {*CLASSES})]
    paths, labels = [], []
    for label, name in enumerate(CLASSES):
        of_class = sorted(p for p in (folder / pool / name).glob("[!.]*") if p.suffix.lower() in SUFFIXES)
        paths += of_class
        labels += [label] * len(of_class)
    images, unreadable = read_images(paths, folder, FORMATS, (SIDE, SIDE))
    problems += unreadable
    return images, np.array(labels, np.uint8)


def _miscounted(labels: np.ndarray, pool: str, partial: bool) -> list[str]:
    counts = list(zip(CLASSES, np.bincount(labels, minlength=len(CLASSES)), strict=False))
    if partial:
        least = {"train": 2, "test": 1}[pool]  # of the two, one is for validation
        return [f"{pool}: {count} images of {name}, at least {least} needed" for name, count in counts if count < least]
    wanted = PER_CLASS[pool]
    return [f"{pool}: {count} images of {name}, not {wanted}" for name, count in counts if count != wanted]


def _validation(pool: Split) -> torch.Tensor:
    """Return which images are kept for validation, bool ``[N]``: the same share of each class, always the same ones."""
    chosen = torch.zeros(len(pool), dtype=torch.bool)
    for label in range(len(CLASSES)):
        members = (pool.labels == label).nonzero().flatten()
        order = torch.randperm(len(members), generator=generator(SPLIT_SEED, label))
        chosen[members[order[: max(1, len(members) // VALIDATION_SHARE)]]] = True
    return chosen
