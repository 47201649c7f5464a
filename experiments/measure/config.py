"""Which layers of which network are measured, on which images."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from erf import InvalidInput
from erf.data.noise import Noise
from erf.data.pictures import Unreadable
from erf.maps.passes import Mode
from erf.maps.statistic import Statistic
from experiments.harness.experiment import ExperimentConfig, option
from experiments.harness.validation import require_at_least
from experiments.measure.network_source import Source, files_of

NOISE = "noise"
OUTPUT = "output"  # what the network's own output is called, where no layer is named


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
    layers: list[str] = option(
        ["layer1", "layer2", "layer3", "layer4"], "names of modules; [] is the network's own output"
    )
    input_size: Any = option(
        224,
        "pixels: a number (square), [samples], [rows,columns], [frames,rows,columns]",
        type="int or list of int",
    )
    channels: int = option(3, "of the images")
    images: str = option(NOISE, "noise, or the path of a folder of pictures")
    noise: Noise = option(Noise.normal, "distribution of noise's values")
    unreadable: Unreadable = option(Unreadable.error, "what a picture is that cannot be read: error, or skip it")
    samples: int = option(8, "number of images; of a folder, the first ones")
    unit: list[int] = option([], "row and column in each layer's grid; [] is its middle")
    statistic: Statistic = option(Statistic.mean_abs, "over images and input channels; signed_mean has no size")
    aggregation: int | str = option("random_sign", "of output channels: random_sign, sum, one channel's index")
    mode: Mode = option(Mode.eval, "eval, or as_is: as the network was made (torchvision's and timm's: in train mode)")
    batch_size: int = option(8, "images in one forward pass, at most")
    compatibility: Compatibility = option(Compatibility.none, "another tool's map of each layer, by its rules, beside")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.input_size = _checked_size(self.input_size)
        require_at_least(1, samples=self.samples, batch_size=self.batch_size, channels=self.channels)
        if len(set(self.layers)) < len(self.layers):
            raise InvalidInput(f"layers=[{','.join(self.layers)}]: a name stands twice")
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


def _folder(images: str) -> Path:
    if not Path(images).is_dir():
        raise InvalidInput(f"images={images}: there is no such folder; allowed: noise, or a folder of pictures")
    return Path(images)
