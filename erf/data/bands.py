"""Pictures of any number of bands, as satellites and microscopes take them, from ``.npy`` and TIFF files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from erf.data.picture_file import opened, picture_warnings
from erf.errors import decoding, extra
from erf.files.regular_file import open_regular

with extra("data"):
    from PIL import Image

EXTENSIONS = (".npy", ".tif", ".tiff")
INDEXED = ("PA",)  # modes whose numbers are places in a palette


def read_bands(path: Path, bands: int) -> np.ndarray:
    """Return the array ``[bands, rows, columns]`` of a ``.npy`` file in float32, whose code is not run, or of a TIFF.

    Raises:
        InvalidInput: The file is no such array of finite real numbers, or a TIFF that Pillow does not read as so many.
    """
    if path.suffix.lower() != ".npy":
        return _bands_of_tiff(path, bands)
    with decoding(f"the picture {path} cannot be read: "):
        array = _stored(path)
        fits = array.ndim == 3 and array.shape[0] == bands and array.size and array.dtype.kind in "uif"
        with np.errstate(over="ignore"):  # what does not fit float32 is refused as not finite
            pixels = array.astype(np.float32) if fits else np.array(np.nan)
        if not np.isfinite(pixels).all():
            allowed = f"finite real numbers [{bands}, rows, columns]"
            raise ValueError(f"it holds {array.dtype} {list(array.shape)}, allowed are {allowed}")
    return pixels


def _stored(path: Path) -> np.ndarray:
    """Return the array in the file, of which nothing is read yet: a header may promise more than there is memory."""
    open_regular(path).close()
    array = np.lib.format.open_memmap(path, mode="r")
    pixels, limit = math.prod(array.shape[1:]), Image.MAX_IMAGE_PIXELS
    if limit and pixels > limit:
        raise ValueError(f"image size ({pixels} pixels) exceeds the limit of {limit} pixels")
    return array


def _bands_of_tiff(path: Path, bands: int) -> np.ndarray:
    """Return the bands as they are stored, the fourth of RGBA included."""
    before, advice = f"the picture {path} cannot be read: ", f"; save its {bands} bands as .npy, [bands, rows, columns]"
    with decoding(before, advice), picture_warnings(), opened(path, ("TIFF",)) as picture:
        names, mode = picture.getbands(), picture.mode
        if len(names) != bands or mode in INDEXED:
            raise ValueError(f"Pillow finds {len(names)} bands (mode {mode})")
        pixels = np.asarray(picture)
    return pixels.astype(np.float32).reshape(*pixels.shape[:2], bands).transpose(2, 0, 1)
