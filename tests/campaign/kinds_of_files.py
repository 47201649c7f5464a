"""Every kind of file that is read: how one is written, and how it is read."""

import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from erf import training
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
from tests.erf.data.tiny_sets import camvid_folder, cifar_binary, cifar_folder
from tests.erf.public_calls.valid import fabric
from tests.erf.toy_training import sgd, toy_network, toy_plan

STATE = {"weight": torch.arange(2000.0), "bias": torch.ones(3)}


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
