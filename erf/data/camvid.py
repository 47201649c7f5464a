"""CamVid: road scenes with a class for every pixel (Brostow et al. 2009), as prepared for SegNet."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from erf.arguments import as_path, require_type, require_whole, shown
from erf.data.image_files import Size, read_images, read_labels
from erf.data.problems import loaded, require_none
from erf.data.split import LEVELS, DataSet, Split
from erf.errors import InvalidInput
from erf.files.regular_file import open_regular

NAME = "camvid"
CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip
VOID = 11  # the label of pixels without a class, which neither loss nor metrics count
FRAMES = {"train": 367, "val": 101, "test": 233}
SIZE: Size = (360, 480)
FORMATS = ("PNG",)


def load(data_dir: Path | str, partial: bool = False) -> DataSet:
    """Return the data set in ``data_dir/camvid``, as :func:`read` does; the error says how to fetch it."""
    return loaded(NAME, read, data_dir, partial)


def read(folder: Path, partial: bool = False) -> DataSet:
    """Return the data set in ``folder``, labels uint8 ``[N, H, W]`` from 0 to 11.

    Args:
        folder: Holds ``train``, ``val`` and ``test`` with frames as PNG, and ``trainannot``, ``valannot`` and
            ``testannot`` with a grey PNG of the same name for each, whose pixels are the labels.
        partial: Accept fewer frames than the 367, 101 and 233 of SegNet, and any size that all have.

    Raises:
        InvalidInput: Something is missing, unreadable or out of range; the message names the first problems.
    """
    folder = as_path(folder=folder)
    require_type(bool, partial=partial)
    _require(folder)
    problems: list[str] = []
    size = None if partial else SIZE
    parts = {}
    for part, wanted in FRAMES.items():
        frames, labels, missing = _pairs(folder, part)
        if not frames or (not partial and len(frames) != wanted):
            needed = "at least 1 needed" if partial else f"not {wanted}"
            problems.append(f"{part}: {len(frames)} frames with labels, {needed}")
        parts[part], new = _read_part(folder, frames, labels, size)
        problems += missing + new
        size = size or (tuple(parts[part][0].shape[1:3]) if frames else None)
    require_none(problems, folder)
    splits = [Split(torch.from_numpy(x).permute(0, 3, 1, 2), torch.from_numpy(y)) for x, y in parts.values()]
    return DataSet.normalized(*splits, classes=CLASSES)


def is_in(folder: Path) -> bool:
    """Return whether ``folder`` looks like CamVid or a part of it."""
    folder = as_path(folder=folder)
    return any((folder / f"{part}annot").is_dir() for part in FRAMES)


def copy(source: Path, target: Path) -> None:
    """Copy the frames and labels of ``source`` into the folder ``target``.

    Raises:
        InvalidInput: There are none.
        OSError: One of them cannot be read, or the disk is full.
    """
    source, target = as_path(source=source), as_path(target=target)
    _require(source)
    if not target.is_dir():
        raise InvalidInput(f"target={shown(target)}: there is no such folder")
    for name in (f"{part}{kind}" for part in FRAMES for kind in ("", "annot")):
        if (target / name).exists():
            raise InvalidInput(f"target={shown(target)}: there is {name} already; allowed is a folder without it")
        (target / name).mkdir()
        for path in (source / name).glob("[!.]*.png"):
            with open_regular(path) as frame, (target / name / path.name).open("wb") as file:
                shutil.copyfileobj(frame, file)


def _require(folder: Path) -> None:
    if not is_in(folder):
        raise InvalidInput(f"{folder} holds no CamVid: no folders train, trainannot, val, valannot, test, testannot")


def _pairs(folder: Path, part: str) -> tuple[list[Path], list[Path], list[str]]:
    """Return frames and their labels, in order of their names, and what has no partner."""
    names = [{path.name for path in (folder / name).glob("[!.]*.png")} for name in (part, f"{part}annot")]
    problems = [f"{part}annot/{name} is missing" for name in sorted(names[0] - names[1])]
    problems += [f"{part}/{name} is missing" for name in sorted(names[1] - names[0])]
    both = sorted(names[0] & names[1])
    return [folder / part / name for name in both], [folder / f"{part}annot" / name for name in both], problems


def _read_part(
    folder: Path, frames: list[Path], labels: list[Path], size: Size | None
) -> tuple[tuple[np.ndarray, np.ndarray], list[str]]:
    images, problems = read_images(frames, folder, FORMATS, size)
    classes, more = read_labels(labels, folder, FORMATS, size or (images.shape[1:3] if images.size else None))
    problems += more
    for path, values in zip(labels, classes, strict=False):
        if values.max(initial=0) > VOID:
            problems.append(f"{path.relative_to(folder)}: label {values.max()}, allowed are 0 to {VOID}")
    return (images, classes), problems


def median_frequency_weights(labels: Tensor, classes: int = len(CLASSES)) -> Tensor:
    r"""Return the weights that let rare classes count as much in the loss as frequent ones, float32 ``[classes]``.

    .. math:: w_c = \operatorname{median}_k(f_k) / f_c

    where f_c is the number of pixels of class c over that of all pixels of the images that show it (Eigen and Fergus
    2015, as used for SegNet by Badrinarayanan et al. 2017). Pixels without a class are among the latter.

    Args:
        labels: ``[N, H, W]``; those from ``classes`` on are no class.
        classes: Their number.

    Raises:
        InvalidInput: A class is in no image, or labels are no whole numbers ``[N, H, W]`` from 0 to 255.
    """
    require_type(Tensor, labels=labels)
    require_whole(classes=classes)
    if classes > LEVELS:
        raise InvalidInput(f"classes={classes}: allowed are up to {LEVELS}, as labels are bytes")
    if labels.ndim != 3 or labels.is_floating_point() or not labels.numel() or labels.min() < 0 or labels.max() > 255:
        raise InvalidInput(f"labels={shown(labels)}: allowed are whole numbers [N, H, W] from 0 to 255")
    pixels = torch.stack([torch.bincount(image.flatten(), minlength=LEVELS)[:classes] for image in labels]).double()
    areas = (pixels > 0).sum(0) * labels[0].numel()
    if not areas.all():
        missing = [label for label in range(classes) if not areas[label]]
        raise InvalidInput(f"no image shows the classes {missing}, so they have no weight")
    frequency = (pixels.sum(0) / areas).numpy()
    return torch.from_numpy(np.median(frequency) / frequency).float()
