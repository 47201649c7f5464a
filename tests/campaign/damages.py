"""Ways to damage a file, up to one that holds code or unpacks to gigabytes."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

MARK = Path("code-was-run")


class Code:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, (f"touch {MARK.absolute()}",)


def flipped(original: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(original)
    for place in rng.integers(0, len(damaged), rng.integers(1, 4)):
        damaged[place] ^= 1 << rng.integers(8)
    return bytes(damaged)


def flipped_at_an_end(original: bytes, rng: np.random.Generator) -> bytes:
    """Damage the headers."""
    side = min(len(original), 120)
    if rng.integers(2):
        return flipped(original[:side], rng) + original[side:]
    return original[:-side] + flipped(original[-side:], rng)


def with_large_number(original: bytes, rng: np.random.Generator) -> bytes:
    """Write a large number somewhere near the front or the end, where sizes stand."""
    place = int(rng.integers(min(len(original), 150))) * (1 if rng.integers(2) else -1)
    return original[:place] + b"\xff\xff\xff\x7f" + original[place:][4:]


def overwritten(original: bytes, rng: np.random.Generator) -> bytes:
    start, size = rng.integers(len(original)), int(rng.integers(1, 600))
    return original[:start] + (bytes(size) if rng.integers(2) else rng.bytes(size)) + original[start + size :]


def pickled(*_: Any) -> bytes:
    return pickle.dumps({"state_dict": Code()})


def pickled_by_torch(*_: Any) -> bytes:
    torch.save({"state_dict": {"weight": Code()}}, buffer := io.BytesIO())
    return buffer.getvalue()


def of_another_type(_: bytes, rng: np.random.Generator) -> bytes:
    """Return a whole file of values that are none of those asked for."""
    values = [{"state_dict": {"weight": "text"}}, [1, 2], {"weight": {"a": torch.ones(2)}}, torch.ones(3), {}, None]
    torch.save(values[rng.integers(len(values))], buffer := io.BytesIO())
    return buffer.getvalue()


def arrays_with_code(*_: Any) -> bytes:
    np.savez(buffer := io.BytesIO(), a=np.array([Code()], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def bomb(*_: Any) -> bytes:
    """Return a zip whose member has 6 GiB, in 6 MB."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed,
        packed.open("archive/data.pkl", "w", force_zip64=True) as member,
    ):
        for _piece in range(6 * 16):
            member.write(ZEROS)
    return buffer.getvalue()


ZEROS = bytes(1 << 26)
DAMAGES: dict[str, Callable[[bytes, np.random.Generator], bytes]] = {
    "cut off": lambda original, rng: original[: rng.integers(len(original))],
    "empty": lambda original, rng: b"",
    "doubled": lambda original, rng: original + original,
    "random": lambda original, rng: rng.bytes(int(rng.integers(1, 3000))),
    "text": lambda original, rng: rng.choice(["{}", "[]", "null", "no such file", "\ud800a"]).encode(errors="replace"),
    "flipped": flipped,
    "flipped at an end": flipped_at_an_end,
    "large number": with_large_number,
    "overwritten": overwritten,
    "pickle": pickled,
    "pickle by torch": pickled_by_torch,
    "another type": of_another_type,
    "pickle in arrays": arrays_with_code,
}
