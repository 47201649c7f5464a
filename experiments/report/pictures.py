"""Figures as data URIs, so that the page needs no other file."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from erf.errors import InvalidInput

STEP = 6  # of the brightness of each colour, out of 255: rounding to it is not seen, and spares a third of the size
ROUNDED = [min(255, (value + STEP // 2) // STEP * STEP) for value in range(256)]
EFFORT = 6  # of compressing, from 0 to 6: a picture takes seconds, and a third less room than at 0
REMEMBERED = 64  # pictures


def inlined(path: Path) -> tuple[str, tuple[int, int]]:
    """Return the PNG at ``path`` as a data URI, and its width and height in pixels.

    The URI holds a WebP of the same pixels, colours rounded by up to 3 of 255, which is a quarter of the size.

    Raises:
        InvalidInput: The file is missing or damaged.
    """
    try:
        return _webp(path.read_bytes())
    except FileNotFoundError as error:
        raise InvalidInput(f"{path} is missing") from error
    except (UnidentifiedImageError, OSError, SyntaxError) as error:  # Pillow's words for a damaged PNG
        # Its words for what is no picture name the object read, which says nothing to a reader.
        reason = "not a picture" if isinstance(error, UnidentifiedImageError) else error
        raise InvalidInput(f"{path} is damaged: {reason}") from error


@lru_cache(REMEMBERED)
def _webp(png: bytes) -> tuple[str, tuple[int, int]]:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        size = image.size
        image.convert("RGB").point(ROUNDED * 3).save(buffer, "WEBP", lossless=True, quality=100, method=EFFORT)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}", size
