"""Files with drawn damage, of every kind that is read: the same content, or one line; no code is run."""

import io
import os
import pickle
import shutil
import tarfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from erf import InvalidInput, training
from erf.command.network_source import read_weights
from erf.data import camvid, cifar10
from erf.data.pictures import Pictures
from erf.training import checkpoints
from experiments.exact_theory import experiment as exact_theory
from experiments.harness.experiment import experiment_of, load
from experiments.harness.kept import decode_kept, encode_kept
from experiments.harness.record import read_environment, read_record, write_record
from experiments.harness.reference import REFERENCE, reference
from scripts.unpacking import unpack
from tests.campaign.in_process import SECONDS, TooSlow, at_most, require_a_thousand, tallied
from tests.erf.data.tiny_sets import camvid_folder, cifar_binary, cifar_folder
from tests.erf.public_calls import fabric
from tests.erf.toy_training import sgd, toy_network, toy_plan

MARK = Path("code-was-run")
STATE = {"weight": torch.arange(2000.0), "bias": torch.ones(3)}
SOUND = ("clean", "same", "undetectable")


class Code:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, (f"touch {MARK.absolute()}",)


def content(value: Any) -> Any:
    """Return what is equal for equal values, arrays included."""
    match value:
        case torch.Tensor():
            return content(value.numpy())
        case np.ndarray():
            return str(value.dtype), value.shape, value.tobytes()
        case dict():
            return {key: content(each) for key, each in value.items()}
        case list() | tuple():
            return [content(each) for each in value]
    return value


def record(folder: Path, name: str) -> Path:
    write_record(folder, reference("exact_theory", exact_theory.Result), read_environment(REFERENCE / "exact_theory"))
    return folder / name


def read_exact(path: Path) -> Any:
    result = read_record(path.parent, load(experiment_of("exact_theory")).Result)
    return content(result.arrays), str(result), str(read_environment(path.parent))


def checkpoint(folder: Path) -> Path:
    network = toy_network()
    plan = toy_plan(epochs=1)
    list(training.train(fabric(), network, sgd(network), plan, folder))
    return folder / checkpoints.LAST


def read_checkpoint(path: Path) -> Any:
    """Read it for one epoch more, which is then trained."""
    network = toy_network()
    progress = checkpoints.resumed(fabric(), network, sgd(network), toy_plan(epochs=1), path.parent)
    assert progress is not None
    return content(network.state_dict()), content(progress.losses), progress.step, str(progress.history)


def best(folder: Path) -> Path:
    (folder / checkpoints.BEST).write_bytes(checkpoints.weights_of(toy_network()))
    return folder / checkpoints.BEST


def read_best(path: Path) -> Any:
    network = toy_network()
    checkpoints.load_weights(network, training.best_weights(fabric(), path.parent))
    return content(network.state_dict())


def weights(folder: Path, name: str) -> Path:
    if name.endswith("safetensors"):
        save_file(STATE, folder / name)
    else:
        torch.save({"state_dict": STATE}, folder / name)
    return folder / name


def kept_values(folder: Path) -> Path:
    (folder / "kept.npz").write_bytes(encode_kept({"a": np.arange(100.0), "b": [1, 2]}))
    return folder / "kept.npz"


def picture(folder: Path, name: str) -> Path:
    values = np.random.default_rng(0).integers(0, 256, (4, 30, 30), np.uint8)
    if name.endswith("npy"):
        np.save(folder / name, values)
    elif name.endswith("tiff"):
        Image.fromarray(np.ascontiguousarray(values.transpose(1, 2, 0)), "RGBA").save(folder / name)
    else:
        Image.fromarray(np.ascontiguousarray(values[:3].transpose(1, 2, 0))).save(folder / name)
    return folder / name


def read_pictures(path: Path, **settings: Any) -> Any:
    return content(list(Pictures(path.parent, (8, 8), **settings)))


BANDS = {"channels": 4, "mean": (0.0,) * 4, "std": (1.0,) * 4}


def data(make: Callable, name: str, folder: Path) -> Path:
    make(folder)
    return folder / name


def read_data(read: Callable, place: int, path: Path) -> Any:
    return read(path.parents[place], partial=True).content()


def archive(folder: Path, name: str) -> Path:
    cifar_binary(source := folder / "source", train=1)
    path = folder / name
    if name.endswith("zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for each in sorted(source.iterdir()):
                packed.write(each, each.name)
    else:
        with tarfile.open(path, "w:gz") as packed:
            packed.add(source, "source")
    return path


def read_archive(path: Path) -> Any:
    shutil.rmtree(target := path.parent / "out", ignore_errors=True)
    unpack(path, target, str(path))
    inside = target / "source"
    return cifar10.read(inside if inside.exists() else target, partial=True).content()


@dataclass(frozen=True)
class Kind:
    """A kind of file: how one is written, how it is read, and whether a checksum in it covers all that it says."""

    make: Callable[[Path], Path]
    read: Callable[[Path], Any]
    is_checked: bool = False


KINDS = {name: Kind(partial(record, name=name), read_exact, True) for name in ("result.json", "arrays.npz")}
KINDS["environment.json"] = Kind(partial(record, name="environment.json"), read_exact, True)
KINDS |= {
    "last.pt": Kind(checkpoint, read_checkpoint, True),
    "best.safetensors": Kind(best, read_best),
    "kept.npz": Kind(kept_values, lambda path: content(decode_kept(path, dict)), True),
    "band.npy": Kind(partial(picture, name="band.npy"), partial(read_pictures, **BANDS)),
    "band.tiff": Kind(partial(picture, name="band.tiff"), partial(read_pictures, **BANDS)),
    "data_batch_1.bin": Kind(partial(data, cifar_binary, "data_batch_1.bin"), partial(read_data, cifar10.read, 0)),
    "image of CIFAR-10": Kind(
        partial(data, cifar_folder, "train/cat/0001.png"), partial(read_data, cifar10.read, 2), True
    ),
    "frame of CamVid": Kind(partial(data, camvid_folder, "train/001.png"), partial(read_data, camvid.read, 1), True),
    "labels of CamVid": Kind(
        partial(data, camvid_folder, "valannot/001.png"), partial(read_data, camvid.read, 1), True
    ),
}
for suffix in ("pt", "ckpt", "pth", "safetensors"):
    KINDS[f"weights.{suffix}"] = Kind(
        partial(weights, name=f"weights.{suffix}"), lambda path: content(read_weights(path)), suffix != "safetensors"
    )
for suffix in ("png", "jpg", "bmp", "webp", "tif", "ppm"):
    KINDS[f"picture.{suffix}"] = Kind(partial(picture, name=f"picture.{suffix}"), read_pictures, suffix == "png")
for suffix in ("zip", "tar.gz"):
    KINDS[f"archive.{suffix}"] = Kind(partial(archive, name=f"archive.{suffix}"), read_archive, True)


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
