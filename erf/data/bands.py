"""Pictures of any number of bands, as satellites and microscopes take them, from ``.npy`` and TIFF files."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np

from erf.errors import InvalidInput, extra

with extra("data"):
    from PIL import Image

# What Pillow raises for files that are damaged, no pictures, or too large to be opened without being asked.
DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    IndexError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)

EXTENSIONS = (".npy", ".tif", ".tiff")
INDEXED = ("PA",)  # modes whose numbers are places in a palette


def read_bands(path: Path, bands: int) -> np.ndarray:
    """Return the array ``[bands, rows, columns]`` of a ``.npy`` file in float32, whose code is not run, or of a TIFF.

    Raises:
        InvalidInput: The file is no such array of finite real numbers, or a TIFF that Pillow does not read as so many.
    """
    if path.suffix.lower() != ".npy":
        return _bands_of_tiff(path, bands)
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidInput(f"the picture {path} cannot be read: {' '.join(str(error).split())}") from error
    fits = isinstance(array, np.ndarray) and array.ndim == 3 and array.shape[0] == bands and array.size
    if not fits or array.dtype.kind not in "uif" or not np.isfinite(array).all():
        kind = f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
        allowed = f"finite real numbers [{bands}, rows, columns]"
        raise InvalidInput(f"the picture {path} cannot be read: it holds {kind}, allowed are {allowed}")
    return array.astype(np.float32)


def _bands_of_tiff(path: Path, bands: int) -> np.ndarray:
    """Return the bands as they are stored, the fourth of RGBA included."""
    advice = f"save its {bands} bands as .npy, [bands, rows, columns]"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("TIFF",)) as picture:
                found, mode, pixels = len(picture.getbands()), picture.mode, np.asarray(picture)
    except DAMAGED as error:
        reason = " ".join(str(error).split())
        raise InvalidInput(f"the picture {path} cannot be read: {reason}; {advice}") from error
    if found != bands or mode in INDEXED:
        raise InvalidInput(f"the picture {path} cannot be read: Pillow finds {found} bands (mode {mode}); {advice}")
    return pixels.astype(np.float32).reshape(*pixels.shape[:2], bands).transpose(2, 0, 1)
