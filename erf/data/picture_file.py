"""A file with a picture: decoded as what it may be, whatever it is called, and only if it is not too large."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from erf.errors import extra
from erf.files.regular_file import open_regular

with extra("data"):
    from PIL import Image, UnidentifiedImageError


@contextmanager
def opened(path: Path, formats: Sequence[str]) -> Iterator[Image.Image]:
    """Yield the picture in the file, which is decoded when its pixels are asked for.

    Whatever Pillow or the system raises is passed on, see :func:`erf.errors.decoding`.

    Args:
        path: Of a regular file.
        formats: Pillow's names of the decoders to try: of all that it has, some start programs (EPS does), and many
            are rarely looked after.
    """
    with open_regular(path) as file:
        try:
            Image.open(file, formats=tuple(formats)).verify()  # the checksums of a PNG: decoding compares few of them
        except UnidentifiedImageError as error:
            raise OSError(f"cannot identify image file as {' or '.join(formats)}") from error
        file.seek(0)
        with Image.open(file, formats=tuple(formats)) as picture:
            yield picture


@contextmanager
def picture_warnings() -> Iterator[None]:
    """Pass over odd metadata, as every viewer does, and let more pixels than ``Image.MAX_IMAGE_PIXELS`` be an error.

    To be entered once, not in each of several threads: they share what is done about warnings.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield
