"""A number of calls, drawn from a seed, each in the same small folder, and how often each end came."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.harness.reference import REFERENCE
from tests.campaign import of_erf, of_run, of_scripts
from tests.campaign.call import Call
from tests.campaign.outcome import KINDS, Outcome, digest, outcome_of
from tests.experiments.toy_data import toy_data

NETWORK = """
from torch import nn


def make():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))


def fails():
    raise RuntimeError("on purpose")


def number():
    return 3
"""


def draw(seed: int, count: int, first: int = 0) -> Iterator[Call]:
    """Return so many calls, from number ``first`` on: three of five of run.py, the others of erf and of scripts."""
    of = [of_run, of_run, of_run, of_erf, of_scripts]
    for number in range(first, first + count):
        yield of[number % len(of)].drawn(random.Random(f"{seed}-{number}"))


def campaign(seed: int, count: int, first: int = 0) -> Iterator[Outcome]:
    """Yield the outcome of each call; what one of them wrote is gone before the next."""
    for script in of_scripts.MAINS:
        import_module(f"scripts.{script}")
    import torchvision.models  # noqa: F401  # once, and not in every call

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "here")
        _fill(folder)
        unchanged = _state(folder)
        for call in draw(seed, count, first):
            yield outcome_of(call, folder)
            if _state(folder) != unchanged:
                shutil.rmtree(folder)
                _fill(folder)


def _state(folder: Path) -> tuple[str, list[Path]]:
    """Return what tells whether a call has left something, an empty folder included."""
    return digest(folder), sorted(folder.rglob("*"))


def _fill(folder: Path) -> None:
    """Make what calls find: data, a network, pictures, a record's file, and files that are damaged."""
    for name in ("pictures", "empty", "garbage_pictures", "results/runs/kernels/default-00000000"):
        (folder / name).mkdir(parents=True)
    (folder / "data").symlink_to(toy_data())
    shutil.copytree(REFERENCE / "exact_theory", folder / "sweep" / "job")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "pictures" / "one.png")
    (folder / "net.py").write_text(NETWORK)
    (folder / "broken.py").write_text("def make(:\n")
    names = ("file.txt", "garbage.pt", "garbage.safetensors", "existing.html", "garbage_pictures/one.png")
    for name in (*names, "results/runs/kernels/default-00000000/result.json"):
        (folder / name).write_text("garbage")


def summary(outcomes: list[Outcome]) -> str:
    """Return how many calls of each command ended in each way."""
    counts: dict[str, Counter[str]] = {}
    for one in outcomes:
        command = one.call.command if one.call.command in ("run", "erf") else "scripts"
        counts.setdefault(command, Counter())[one.kind] += 1
    rows = [f"{command:9}" + "".join(f"{count[kind]:11}" for kind in KINDS) for command, count in counts.items()]
    return "\n".join([" " * 9 + "".join(f"{kind:>11}" for kind in KINDS), *rows])
