"""PNG files as data URIs, so that a page needs no other file, and erf no library for pictures."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

# magma, every 17th of its 256 colours
MAGMA = (
    "000004", "0b0924", "20114b", "3b0f70", "57157e", "721f81", "8c2981", "a8327d",
    "c43c75", "de4968", "f1605d", "fa7f5e", "fe9f6d", "febf84", "fddea0", "fcfdbf",
)  # fmt: skip
GREY, RGB, PALETTE = 0, 2, 3  # PNG's colour types


def of_shares(shares: np.ndarray) -> str:
    """Return values ``[rows, columns]`` in [0, 1] as a picture in the colours of magma."""
    anchors = np.array([list(bytes.fromhex(colour)) for colour in MAGMA], dtype=np.float64)
    places = np.linspace(0, len(MAGMA) - 1, 256)
    palette = np.stack([np.interp(places, np.arange(len(MAGMA)), channel) for channel in anchors.T], axis=1)
    indices = np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
    return _uri(indices[..., None], PALETTE, _chunk(b"PLTE", np.rint(palette).astype(np.uint8).tobytes()))


def of_image(image: np.ndarray) -> str:
    """Return an image ``[channels, rows, columns]`` in [0, 1] as a picture: in colours where it has three channels."""
    pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    if len(pixels) == 3:
        return _uri(np.moveaxis(pixels, 0, -1), RGB)
    return _uri(np.rint(pixels.mean(0)).astype(np.uint8)[..., None], GREY)


def _uri(pixels: np.ndarray, colour_type: int, palette: bytes = b"") -> str:
    """Return 8-bit pixels ``[rows, columns, channels]``; photographs are deflated as differences along their rows."""
    rows, columns, channels = pixels.shape
    if colour_type != PALETTE:
        pixels = np.concatenate([pixels[:, :1], pixels[:, 1:] - pixels[:, :-1]], axis=1)
    kind = np.full((rows, 1), colour_type != PALETTE, np.uint8)  # of a row: its values, or their differences
    lines = np.hstack([kind, pixels.reshape(rows, columns * channels)])
    header = struct.pack(">IIBBBBB", columns, rows, 8, colour_type, 0, 0, 0)
    file = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + palette
    file += _chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)) + _chunk(b"IEND", b"")
    return f"data:image/png;base64,{base64.b64encode(file).decode()}"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
