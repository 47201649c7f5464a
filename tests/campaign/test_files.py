"""Files with drawn damage, of every kind that is read: the same content, or one line; no code is run."""

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from erf import InvalidInput
from tests.campaign.damages import DAMAGES, MARK, bomb
from tests.campaign.in_process import SECONDS, TooSlow, at_most, require_a_thousand, tallied
from tests.campaign.kinds_of_files import KINDS, Kind, read_archive

SOUND = ("clean", "same", "undetectable")


@dataclass(frozen=True)
class Original:
    """A whole file, and what reading it gives."""

    path: Path
    bytes: bytes
    value: Any


def originals() -> dict[str, Original]:
    by_kind = {}
    for name, kind in KINDS.items():
        (folder := Path("files") / name).mkdir(parents=True)
        path = kind.make(folder.absolute())
        by_kind[name] = Original(path, path.read_bytes(), kind.read(path))
    return by_kind


def outcome(kind: Kind, original: Original, damaged: bytes) -> tuple[str, str]:
    """Return a word for how reading the damaged file ends, and what is said."""
    original.path.write_bytes(damaged)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ending = _ending(kind, original)
    original.path.write_bytes(original.bytes)
    if MARK.exists():
        MARK.unlink()
        return "code was run", ""
    if caught and ending[0] in SOUND:
        return "warning", str(caught[0].message)
    return ending


def _ending(kind: Kind, original: Original) -> tuple[str, str]:
    try:
        with at_most(SECONDS):
            value = kind.read(original.path)
    except InvalidInput as error:
        text = str(error)
        return ("clean" if len(text.splitlines()) == 1 and len(text) < 1500 else "unclear"), text
    except TooSlow:
        return "slow", ""
    except OSError as error:  # the commands print these in one line
        return "clean" if error.errno and kind.read is read_archive else "other exception", repr(error)
    except BaseException as error:
        return "other exception", repr(error)
    if value == original.value:
        return "same", ""
    return ("accepted" if kind.is_checked else "undetectable"), ""


def ends(seed: int, count: int) -> Iterator[tuple[str, str]]:
    """Yield how reading each file ends, and what was damaged and said."""
    by_kind = originals()
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        name, damage = rng.choice(list(KINDS)), rng.choice(list(DAMAGES))
        word, text = outcome(KINDS[name], by_kind[name], DAMAGES[damage](by_kind[name].bytes, rng))
        yield word, f"{name}, {damage} (number {number}): {text}"


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_few_files():
    counts, faults = tallied(ends(seed=0, count=100), SOUND)
    assert faults == []
    assert counts["clean"] > 60


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in KINDS if name.endswith(("pt", "pth", "ckpt", "npz", "zip"))])
def test_a_bomb_is_one_line(name):
    original = originals()[name]
    begin = time.process_time()
    assert outcome(KINDS[name], original, bomb())[0] == "clean"
    assert time.process_time() - begin < SECONDS


@pytest.mark.slow
def test_a_thousand_files(capsys):
    require_a_thousand("files", ends, SOUND, capsys)
