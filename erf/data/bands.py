"""Pictures of any number of bands, as satellites and microscopes take them, from ``.npy`` files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from erf.errors import InvalidInput

EXTENSIONS = (".npy", ".tif", ".tiff")  # a TIFF of many bands is none that can be read, which shall be said


def read_bands(path: Path, bands: int) -> np.ndarray:
    """Return the array ``[bands, rows, columns]`` of a ``.npy`` file in float32; code in it is not run.

    Raises:
        InvalidInput: The file is no such array of finite real numbers, or is a TIFF.
    """
    if path.suffix.lower() != ".npy":
        raise InvalidInput(f"the picture {path} cannot be read: save its {bands} bands as .npy, [bands, rows, columns]")
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
