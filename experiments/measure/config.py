"""Which layers of which network are measured, on which images."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from erf import InvalidInput
from erf.command.network_source import Source, files_of
from erf.data.noise import Noise
from erf.data.pictures import Unreadable
from erf.maps.passes import Mode
from erf.maps.precision import Precision
from erf.maps.statistic import Statistic
from experiments.harness.experiment import ExperimentConfig, option
from experiments.harness.machine import FLOAT32, require_memory

NOISE = "noise"


class Compatibility(StrEnum):
    """Whether the map of another tool is computed beside ours, by its own rules."""

    none = "none"
    openerf = "openerf"
    replknet = "replknet"


@dataclass
class Config(ExperimentConfig):
    """Which layers of which network are measured, on which images."""

    name: str = option("measure", "the experiment's name, fixed; it names the folder of results")
    source: Source = option(Source.torchvision, "file runs the code of the file that network names")
    network: str = option("resnet18", "a model's name; for source=file: path/to/file.py:factory")
    weights: str = option("none", "none (drawn from seed), DEFAULT (pretrained), PATH.pt, .pth, .ckpt, .safetensors")
    layers: list[str] | None = option(
        None,
        "names of modules; null: the last at each of the 4 coarsest resolutions; [] is the network's own output",
        type="list of str",
    )
    input_size: Any = option(
        224,
        "pixels: a number (square), [samples], [rows,columns], [frames,rows,columns]",
        type="int or list of int",
    )
    channels: int = option(3, "of the images", least=1)
    images: str = option(NOISE, "noise, or the path of a folder of pictures")
    noise: Noise = option(Noise.normal, "distribution of noise's values")
    unreadable: Unreadable = option(Unreadable.error, "what a picture is that cannot be read: error, or skip it")
    mean: list[float] = option([], "of pictures, one a channel, in [0, 1]; [] is ImageNet's")
    std: list[float] = option([], "as mean; pictures become (value / 255 - mean) / std")
    samples: int = option(8, "number of images; of a folder, the first ones", least=1)
    unit: Any = option(
        [], "[row,column] in each layer's grid, or several as [[3,4],[5,6]]; [] is its middle", type="list of int"
    )
    statistic: Statistic = option(Statistic.mean_abs, "over images and input channels; signed_mean has no size")
    aggregation: int | str = option("random_sign", "of output channels: random_sign, sum, one channel's index")
    mode: Mode = option(Mode.eval, "eval, or as_is: as the network was made (torchvision's and timm's: in train mode)")
    precision: Precision = option(Precision.as_is, "as_is (the network's own), or bfloat16, whose error is noted")
    batch_size: int = option(8, "images in one forward pass, at most", least=1)
    compatibility: Compatibility = option(Compatibility.none, "another tool's map of each layer, by its rules, beside")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.input_size = _checked_size(self.input_size)
        pixels = math.prod(self.input_size)
        require_memory(FLOAT32 * self.channels * pixels, channels=self.channels, input_size=self.input_size)
        layers = self.layers or []
        if len(set(layers)) < len(layers):
            raise InvalidInput(f"layers=[{','.join(layers)}]: a name stands twice")
        self.unit = _checked_unit(self.unit)
        for key, values in (("mean", self.mean), ("std", self.std)):
            self._require_per_channel(key, values)
        if self.images != NOISE and len(self.input_size) != 2:
            raise InvalidInput(f"images={self.images}: pictures have rows and columns, input_size={self.input_size}")
        if self.statistic is Statistic.signed_mean:
            raise InvalidInput("statistic=signed_mean has no size; allowed: mean_abs, rms, mean_square")
        if isinstance(self.aggregation, str) and self.aggregation not in ("sum", "random_sign"):
            raise InvalidInput(f"aggregation={self.aggregation!r} is unknown; allowed: a channel, sum, random_sign")
        if self.compatibility is not Compatibility.none and (self.unit or len(self.input_size) != 2):
            raise InvalidInput(
                f"compatibility={self.compatibility} has a unit of its own and two axes: allowed are unit=[] and an "
                "input_size of rows and columns"
            )

    def _require_per_channel(self, key: str, values: list[float]) -> None:
        if not values:
            return
        if self.images == NOISE:
            raise InvalidInput(f"{key}={values} is of pictures; allowed with images=noise: []")
        lowest = 0 if key == "std" else -math.inf
        if len(values) != self.channels or not all(lowest < value < math.inf for value in values):
            above = " above 0" if key == "std" else ""
            raise InvalidInput(f"{key}={values}: allowed are {self.channels} finite numbers{above}, one a channel")

    @property
    def several_units(self) -> bool:
        """Whether ``unit`` is a list of units."""
        return any(isinstance(index, list) for index in self.unit)

    @property
    def units(self) -> Any:
        """``unit`` as the library takes it: a tuple, a list of tuples, or None."""
        return [tuple(unit) for unit in self.unit] if self.several_units else tuple(self.unit) or None

    @classmethod
    def of_0_1(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Return settings without what came later, where it is left as it is; 0.1 named four layers by default."""
        left_out = {"mean": [], "std": [], "precision": Precision.as_is}
        old = {key: value for key, value in settings.items() if key not in left_out or value != left_out[key]}
        return old | {"layers": ["layer1", "layer2", "layer3", "layer4"]} if old["layers"] is None else old

    def files(self) -> list[Path]:
        """Return the files of the network and of its weights, and the folder of pictures."""
        pictures = [] if self.images == NOISE else [_folder(self.images)]
        return files_of(self.source, self.network, self.weights) + pictures


def _checked_size(given: Any) -> list[int]:
    sides: list[Any] = list(given) if isinstance(given, list | tuple) else [given] * 2
    if not 1 <= len(sides) <= 3 or any(type(side) is not int or side < 1 for side in sides):
        raise InvalidInput(
            f"input_size={given}: allowed are whole numbers of pixels: one for a square, [samples], [rows,columns], "
            "[frames,rows,columns]"
        )
    return sides


def _checked_unit(given: Any) -> list[Any]:
    units = list(given) if isinstance(given, list | tuple) else [given]
    several = [list(unit) for unit in units if isinstance(unit, list | tuple)]
    indices = [index for unit in several or [units] for index in unit]
    mixed = len(several) not in (0, len(units))
    if mixed or [] in several or any(type(index) is not int for index in indices):
        raise InvalidInput(f"unit={given}: allowed are [row,column], several as [[3,4],[5,6]], and []")
    if len(set(map(tuple, several))) < len(several):
        raise InvalidInput(f"unit={given}: a unit stands twice")
    return several or units


def _folder(images: str) -> Path:
    if not os.path.isdir(images):  # noqa: PTH112  # also for a name that no file can have
        raise InvalidInput(f"images={images}: there is no such folder; allowed: noise, or a folder of pictures")
    return Path(images)
