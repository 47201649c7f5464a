"""Figures as data URIs, so that the page needs no other file."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from erf.errors import InvalidInput


def inlined(path: Path) -> tuple[str, tuple[int, int]]:
    """Return the PNG at ``path`` as a data URI, and its width and height in pixels.

    The URI holds the same pixels in lossless WebP, which is a third of the size.

    Raises:
        InvalidInput: The file is missing or damaged.
    """
    buffer = io.BytesIO()
    try:
        with Image.open(path) as image:
            size = image.size
            image.convert("RGB").save(buffer, "WEBP", lossless=True)
    except FileNotFoundError as error:
        raise InvalidInput(f"{path} is missing") from error
    except (UnidentifiedImageError, OSError, SyntaxError) as error:  # Pillow's words for a damaged PNG
        raise InvalidInput(f"{path} is damaged: {error}") from error
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}", size
