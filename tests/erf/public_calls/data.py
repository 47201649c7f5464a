"""Calls of what reads images and gives batches of them."""

import math
import tempfile
from pathlib import Path

import torch
from PIL import Image

from erf.data import augment, batches, camvid, cifar10, split
from erf.data.noise import NoiseImages
from erf.data.pictures import Pictures
from tests.erf.data import tiny_sets
from tests.erf.public_calls.call import Call, Kind, refused
from tests.erf.public_calls.refused_values import (
    CHOICE,
    GENERATOR,
    NAN,
    NO_ARRAYS,
    NO_WHOLE_NUMBERS,
    PATH,
    SIZE,
    WHOLE,
    WHOLE_0,
)
from tests.erf.public_calls.valid import generator, images


def pixels(*shape: int) -> torch.Tensor:
    shape = shape or (2, 3, 4, 4)
    return (torch.arange(math.prod(shape)) % 251).to(torch.uint8).reshape(shape)


def a_split() -> split.Split:
    return split.Split(pixels(), torch.tensor([0, 1]))


def folder_of_pictures(folder: Path) -> Path:
    Image.new("RGB", (9, 9), (10, 20, 30)).save(folder / "a.png")
    return folder


BYTES = refused(images(), images(dtype=torch.bool), pixels(2, 3), pixels().numpy(), None, words="uint8|Tensor")
STEP = {"epoch": WHOLE_0, "rank": Kind([1, *NO_WHOLE_NUMBERS]), "world_size": WHOLE, "start_step": WHOLE_0}


def tiny(name: str) -> Path:
    folder = Path("data") / name
    if not folder.exists():
        {"camvid": tiny_sets.camvid_folder, "cifar10": tiny_sets.cifar_folder}[name](folder)
    return folder


def new_folder() -> Path:
    return Path(tempfile.mkdtemp(dir=Path()))


CALLS: dict[str, Call] = {
    "erf.data.pictures.Pictures": Call(
        Pictures,
        lambda: {"folder": folder_of_pictures(Path()), "input_size": (8, 8)},
        {"folder": PATH, "input_size": Kind([(8, 8, 8), *SIZE.values], "input_size=.* whole"), "unreadable": CHOICE}
        | {"channels": refused(0, 2, 4, 3.0, True, None), "batch_size": WHOLE, "limit": refused(0, -1, 1.5, True, "3")}
        | {"mean": refused(*NO_ARRAYS, (0.5,)), "std": refused(*NO_ARRAYS, (0.5,), (1, 1, 0))},
    ),
    "erf.data.noise.NoiseImages": Call(
        NoiseImages,
        lambda: {"noise": "normal", "shape": (1, 5, 5), "count": 2},
        {"noise": CHOICE, "shape": refused((3,), (1, 0, 5), (1, 5.5, 5), (True, 5, 5), (1,) * 5, "155")}
        | {"count": WHOLE, "seed": WHOLE_0, "batch_size": WHOLE},
    ),
    "erf.data.augment.FlipAndShift": Call(
        augment.FlipAndShift, dict, {"shift": WHOLE_0, "flip": refused(None, "no", 0)}
    ),
    "erf.data.augment.FlipAndShift.__call__": Call(
        augment.FlipAndShift(1),
        lambda: {"images": pixels(), "labels": torch.tensor([0, 1]), "generator": generator()},
        {"images": refused(pixels(3, 4), None), "labels": refused(torch.tensor([0]), None), "generator": GENERATOR},
    ),
    "erf.data.batches.Batches": Call(
        batches.Batches,
        lambda: {"split": a_split(), "batch_size": 2},
        {"split": refused(None, pixels()), "batch_size": WHOLE, "seed": WHOLE_0},
        free="augment shuffle drop_last",
    ),
    "erf.data.batches.Batches.epoch": Call(
        lambda **arguments: list(batches.Batches(a_split(), 1).epoch(**arguments)),
        lambda: {"epoch": 0},
        STEP,
        free="device",
    ),
    "erf.data.batches.Portions": Call(
        batches.Portions,
        lambda: {"batches": batches.Batches(a_split(), 1), "length": 2},
        {"batches": refused(None, a_split()), "length": WHOLE},
    ),
    "erf.data.batches.Portions.epoch": Call(
        lambda **arguments: list(batches.Portions(batches.Batches(a_split(), 1), 2).epoch(**arguments)),
        lambda: {"epoch": 0},
        STEP,
        free="device",
    ),
    "erf.data.split.Normalization": Call(
        split.Normalization,
        lambda: {"mean": (0.5,), "std": (0.1,)},
        {
            "mean": refused((NAN,), (1j,), ("1",), (0.1, 0.2), 0.5),
            "std": refused((NAN,), (math.inf,), (0.0,), (-1.0,), ()),
        },
    ),
    "erf.data.split.Normalization.of": Call(split.Normalization.of, lambda: {"images": pixels()}, {"images": BYTES}),
    "erf.data.split.Normalization.__call__": Call(
        split.Normalization(),
        lambda: {"images": pixels()},
        {"images": Kind([*BYTES.values, pixels(2, 1, 4, 4)], "uint8|Tensor|channels")},
    ),
    "erf.data.split.Split": Call(
        split.Split,
        lambda: {"images": pixels(), "labels": torch.tensor([0, 1])},
        {"images": BYTES, "normalization": refused(None, (0.5, 0.1))}
        | {"labels": refused(torch.tensor([0]), torch.tensor([0.0, 1.0]), torch.tensor([-1, 0]), [0, 1], None)},
    ),
    "erf.data.split.DataSet": Call(
        split.DataSet,
        lambda: dict.fromkeys(("train", "validation", "test"), a_split()) | {"classes": ("a", "b")},
        dict.fromkeys(("train", "validation", "test"), refused(None, pixels())),
        free="classes",
    ),
    "erf.data.camvid.median_frequency_weights": Call(
        camvid.median_frequency_weights,
        lambda: {"labels": torch.tensor([[[0, 1], [1, 1]]]), "classes": 2},
        {
            "labels": refused(
                torch.zeros(1, 2, 2), torch.zeros(2, 2, dtype=torch.int64), torch.full((1, 2, 2), 256), None
            )
        }
        | {"classes": WHOLE},
    ),
    "erf.data.camvid.load": Call(
        camvid.load, lambda: {"data_dir": tiny("camvid").parent, "partial": True}, {"data_dir": PATH}, free="partial"
    ),
    "erf.data.camvid.read": Call(
        camvid.read, lambda: {"folder": tiny("camvid"), "partial": True}, {"folder": PATH}, free="partial"
    ),
    "erf.data.camvid.is_in": Call(camvid.is_in, lambda: {"folder": tiny("camvid")}, {"folder": PATH}),
    "erf.data.camvid.copy": Call(
        camvid.copy, lambda: {"source": tiny("camvid"), "target": new_folder()}, {"source": PATH, "target": PATH}
    ),
    "erf.data.cifar10.load": Call(
        cifar10.load, lambda: {"data_dir": tiny("cifar10").parent, "partial": True}, {"data_dir": PATH}, free="partial"
    ),
    "erf.data.cifar10.read": Call(
        cifar10.read, lambda: {"folder": tiny("cifar10"), "partial": True}, {"folder": PATH}, free="partial"
    ),
    "erf.data.cifar10.read_pools": Call(
        cifar10.read_pools, lambda: {"folder": tiny("cifar10"), "partial": True}, {"folder": PATH}, free="partial"
    ),
    "erf.data.cifar10.is_in": Call(cifar10.is_in, lambda: {"folder": tiny("cifar10")}, {"folder": PATH}),
    "erf.data.cifar10.write_pools": Call(
        cifar10.write_pools,
        lambda: {"pools": {"test": a_split()}, "folder": new_folder()},
        {"folder": PATH},
        free="pools",
    ),
}
