"""The pictures of a folder as images to measure on, prepared as for evaluation on ImageNet."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from erf.arguments import real_array, require_path, require_whole, require_whole_per_axis, shown
from erf.data.bands import EXTENSIONS as BANDS_EXTENSIONS
from erf.data.bands import read_bands
from erf.data.picture_file import opened, picture_warnings
from erf.errors import InvalidInput, decoding, extra
from erf.maps.statistic import choice

with extra("data"):
    from PIL import Image, ImageOps

# Of ImageNet's training set, red, green and blue, in [0, 1]: what torchvision's pretrained networks expect.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Side of the crop over the shorter side of the resized picture: 224 of 256 in torchvision's evaluation.
CROPPED_SHARE = 0.875

# A picture more elongated than this would fill the memory when its shorter side is enlarged.
LONGEST_OVER_SHORTEST = 100

# Those of torchvision.datasets.ImageFolder.
EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


class Unreadable(StrEnum):
    """Whether a picture that cannot be read is an error, or is left out and listed."""

    error = "error"
    skip = "skip"


@dataclass(frozen=True)
class Pictures:
    """The pictures below a folder, sorted by path, as float32 batches ``[n, channels, *input_size]``.

    Each is turned as its EXIF orientation says, converted to 8-bit colour or grey (transparency is dropped), resized
    (bilinear, smoothed when it shrinks) to the smallest size that covers ``input_size / 0.875``, cropped about its
    center, and normalized by (value / 255 - mean) / std. With a square ``input_size`` that is exactly torchvision's
    evaluation on ImageNet: 224 pixels are the middle of a picture whose shorter side is 256. Of a file with several
    pictures, the first one counts.

    With any other number of ``channels`` the files are ``.npy`` arrays ``[channels, rows, columns]``, or TIFFs that
    Pillow reads as so many bands (as RGBA, CMYK), prepared alike and normalized by (value - mean) / std in their own
    units; ``mean`` and ``std`` must then be given.

    Every file is decoded once when this object is made, so that a damaged one is found before anything is measured,
    and again on each pass; no more than a batch is in memory. Only the six formats of ``EXTENSIONS`` are decoded.

    Attributes:
        folder: Looked through with all folders in it; links to folders are not followed.
        input_size: Rows and columns of an image.
        channels: 3, red, green and blue; 1, grey; or the number of bands of ``.npy`` and TIFF files.
        mean: Of each channel, in [0, 1], of bands in their units; None is ImageNet's, the mean of the three for grey.
        std: As ``mean``.
        batch_size: Pictures in one batch.
        limit: The first so many files are used; None is all.
        unreadable: "error", or "skip" to measure on the rest and list what was left out in ``skipped``.
        paths: The pictures that are used.
        skipped: Those that cannot be read.

    Raises:
        InvalidInput: The folder cannot be listed or holds no picture; a picture cannot be read (also if it only
            fails later), has more than 8 bits a channel, is over 100 times as long as wide, or so large that Pillow
            takes it for a decompression bomb; with "skip", only if none can be read. An argument is out of range.
    """

    folder: str | Path
    input_size: tuple[int, int]
    channels: int = 3
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    batch_size: int = 8
    limit: int | None = None
    unreadable: Unreadable | Literal["error", "skip"] = "error"
    paths: tuple[Path, ...] = field(init=False)
    skipped: tuple[Path, ...] = field(init=False)

    def __post_init__(self) -> None:
        choice(Unreadable, self.unreadable, "unreadable")
        require_path(folder=self.folder)
        self._check_numbers()
        files = _files(Path(self.folder), BANDS_EXTENSIONS if self._has_bands else EXTENSIONS)[: self.limit]
        skipped = tuple(path for path in files if not self._can_be_read(path))
        if len(skipped) == len(files):
            raise InvalidInput(f"none of the {len(files)} pictures below {self.folder} can be read")
        object.__setattr__(self, "paths", tuple(sorted(set(files) - set(skipped))))
        object.__setattr__(self, "skipped", skipped)

    def _can_be_read(self, path: Path) -> bool:
        try:
            self._read(path)
        except InvalidInput:
            if self.unreadable == Unreadable.error:
                raise
            return False
        return True

    def _check_numbers(self) -> None:
        require_whole_per_axis(2, input_size=self.input_size)
        require_whole(channels=self.channels, batch_size=self.batch_size)
        if self._has_bands and (self.mean is None or self.std is None):
            raise InvalidInput(
                f"channels={self.channels}: allowed are 3 (colour) and 1 (grey); others need mean=... and std=..."
            )
        if self.limit is not None:
            require_whole(limit=self.limit)
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and real_array(values, name).shape != (self.channels,):
                raise InvalidInput(f"{name}={shown(values)}: allowed are {self.channels} finite numbers, one a channel")
        if self.std is not None and min(self.std) <= 0:
            raise InvalidInput(f"std={shown(self.std)}: allowed are numbers above 0")

    @property
    def _has_bands(self) -> bool:
        return self.channels not in (1, 3)

    def _read(self, path: Path) -> list[Image.Image]:
        """Return a picture in colour or grey, or one for each band."""
        if not self._has_bands:
            return [_decoded(path, self.channels)]
        bands = [Image.fromarray(band) for band in read_bands(path, self.channels)]
        _check_sides(path, bands[0])
        return bands

    def __iter__(self) -> Iterator[Tensor]:
        mean, std = self._per_channel(self.mean, IMAGENET_MEAN), self._per_channel(self.std, IMAGENET_STD)
        for first in range(0, len(self.paths), self.batch_size):
            pixels = torch.stack([self._pixels(path) for path in self.paths[first : first + self.batch_size]])
            yield (pixels.float() / (1 if self._has_bands else 255) - mean) / std

    def _per_channel(self, values: tuple[float, ...] | None, of_imagenet: tuple[float, ...]) -> Tensor:
        if values is None:
            values = of_imagenet if self.channels == 3 else (sum(of_imagenet) / 3,)
        return torch.tensor(values, dtype=torch.float32)[:, None, None]

    def _pixels(self, path: Path) -> Tensor:
        """Return the prepared picture ``[channels, *input_size]``, uint8, or float32 of bands."""
        cropped = [np.asarray(_cropped(picture, self.input_size)) for picture in self._read(path)]
        return torch.tensor(np.dstack(cropped)).permute(2, 0, 1)


def _files(folder: Path, extensions: Sequence[str]) -> list[Path]:
    def fail(error: OSError) -> None:
        raise InvalidInput(f"the folder of pictures {error.filename} cannot be listed: {error.strerror}") from error

    walked = os.walk(folder, onerror=fail)
    pictures = [
        Path(parent, name) for parent, _, names in walked for name in names if Path(name).suffix.lower() in extensions
    ]
    if not pictures:
        raise InvalidInput(f"there is no picture below {folder}; allowed are {', '.join(extensions)}")
    return sorted(pictures)


def _check_sides(path: Path, picture: Image.Image) -> None:
    if max(picture.size) > LONGEST_OVER_SHORTEST * min(picture.size):
        reason = f"one side is more than {LONGEST_OVER_SHORTEST} times as long as the other"
        raise InvalidInput(f"the picture {path} cannot be read: {reason}")


def _decoded(path: Path, channels: int) -> Image.Image:
    """Return the whole picture, upright, in 8-bit colour or grey."""
    with decoding(f"the picture {path} cannot be read: "), picture_warnings(), opened(path, _FORMATS) as picture:
        if picture.mode.startswith(("I", "F")):
            raise ValueError(f"it has more than 8 bits a channel (mode {picture.mode})")
        _check_sides(path, picture)
        return ImageOps.exif_transpose(picture).convert("RGB" if channels == 3 else "L")


def _cropped(picture: Image.Image, input_size: tuple[int, int]) -> Image.Image:
    rows, columns = input_size
    height, width = _resized(picture.height, picture.width, input_size)
    top, left = round((height - rows) / 2), round((width - columns) / 2)
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + columns, top + rows))


def _resized(height: int, width: int, input_size: tuple[int, int]) -> tuple[int, int]:
    """Return the smallest rows and columns that cover ``input_size / 0.875`` and keep the picture's proportions."""
    rows, columns = (round(side / CROPPED_SHARE) for side in input_size)
    if rows * width >= columns * height:
        return rows, rows * width // height
    return columns * height // width, columns
