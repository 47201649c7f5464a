"""Any network: the theoretical and the effective receptive field of its layers, joined.

No claim of the paper; its measures (section 3.1) on a network of torchvision, of timm or of the user's own.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial, reduce
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group
from rich.text import Text
from torch import Tensor, nn

from erf import (
    GaussianFit,
    InfluenceMap,
    InvalidInput,
    ReceptiveField,
    compare,
    effective_receptive_field,
    erf_size,
    fit_gaussian,
    theoretical_receptive_field,
)
from erf.compatibility import compatible_map, replknet_area_ratio, replknet_scores
from erf.data.noise import Noise, NoiseImages
from erf.data.pictures import Pictures, Unreadable
from erf.device import resolve_device
from erf.maps.passes import Mode
from erf.maps.statistic import Statistic
from erf.metrics.erf_size import Reference
from experiments.harness.experiment import ExperimentConfig, option
from experiments.harness.intervals import Interval, jackknife_interval
from experiments.harness.logbook import Logbook
from experiments.harness.soundness import Sides
from experiments.harness.table import table
from experiments.harness.validation import require_at_least
from experiments.measure.network_source import Source, files_of, make_network

NOISE = "noise"
OUTPUT = "output"  # what the network's own output is called, where no layer is named

# The shares t of RepLKNet's table.
REPLKNET_MASSES = (0.2, 0.3, 0.5, 0.99)

# A Gaussian that explains less of a map's variance says nothing about its shape and is not shown.
FAIR_FIT = 0.5

# Groups of images: each is a point kept on disk, and from their spread come the intervals.
GROUPS = 10


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
    weights: str = option("none", "none (drawn from seed), DEFAULT (pretrained), PATH.pt, PATH.pth, PATH.safetensors")
    layers: list[str] = option(
        ["layer1", "layer2", "layer3", "layer4"], "names of modules; [] is the network's own output"
    )
    input_size: Any = option(
        224, "pixels: one number for a square, [rows,columns], [frames,rows,columns]", type="int or list of int"
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
    sides: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
    if not 1 <= len(sides) <= 3 or any(type(side) is not int or side < 1 for side in sides):
        raise InvalidInput(
            f"input_size={given}: allowed are whole numbers of pixels: one for a square, [rows,columns], "
            "[frames,rows,columns]"
        )
    return sides * 2 if len(sides) == 1 else sides


def _folder(images: str) -> Path:
    if not Path(images).is_dir():
        raise InvalidInput(f"images={images}: there is no such folder; allowed: noise, or a folder of pictures")
    return Path(images)


@dataclass(frozen=True)
class Layer:
    """One layer's fields, in input pixels and by axis; what cannot be read off an empty map is None.

    ``trf_size`` is None where it is infinite, and ``spanned_by`` then names the module. ``cut``: whether the image ends
    where the influence is still above the size's threshold. The interval is 95 %, over images and their random signs.
    ``area_ratios`` are RepLKNet's (t, r(t)) where its compatibility is asked for, None where no square of its script
    holds t. The rest is that of ``erf.Comparison``.
    """

    name: str
    grid: tuple[int, ...]
    unit: tuple[int, ...]
    trf_size: tuple[int | None, ...]
    spanned_by: tuple[str | None, ...]
    box: tuple[tuple[int, int], ...]
    center: tuple[float, ...]
    clipped: tuple[bool, ...]
    effective_stride: tuple[float | None, ...]
    erf_size: float | None
    interval: Interval | None
    reference: str | None
    cut: tuple[bool, ...] | None
    ratio: float | None
    sigma: tuple[float, ...] | None
    r_squared: float | None
    r50: float | None
    r95: float | None
    samples: int
    skipped: int
    diagnostics: tuple[str, ...]
    area_ratios: tuple[tuple[float, float | None], ...] = ()


@dataclass(frozen=True)
class Result:
    """The layers in the order asked for, and the pictures left out.

    Arrays: ``map/<layer>``, the influence maps; ``openerf/<layer>`` or ``replknet/<layer>``, that tool's.
    """

    config: Config
    layers: tuple[Layer, ...]
    unreadable: tuple[str, ...]
    arrays: dict[str, np.ndarray]

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        tools = [self.config.compatibility] if self.config.compatibility is not Compatibility.none else []
        sides = tuple(self.config.input_size)
        return {f"{of}/{layer.name}": sides for of in ("map", *tools) for layer in self.layers}

    def metrics(self) -> dict[str, float]:
        """Return each layer's ERF size and r95, where it has them."""
        named = {f"size_{layer.name}": layer.erf_size for layer in self.layers}
        named |= {f"r95_{layer.name}": layer.r95 for layer in self.layers}
        return {name: value for name, value in named.items() if value is not None}

    def picture(self, layer: Layer) -> tuple[InfluenceMap, GaussianFit | None]:
        """Return a layer's map as it is drawn, over rows and columns (summed over frames), and that map's fair fit."""
        values = self.arrays[f"map/{layer.name}"].astype(np.float64)
        imap = InfluenceMap(
            values=values.sum(axis=tuple(range(values.ndim - 2))),
            statistic=self.config.statistic,
            center=layer.center[-2:],
            trf_box=layer.box[-2:],
            samples=layer.samples,
            skipped=layer.skipped,
            aggregation=self.config.aggregation,
        )
        return imap, _fair_fit(imap)

    def compatible_picture(self, layer: Layer) -> np.ndarray:
        """Return the other tool's map ``[H, W]`` as the tool draws it, of peak 1; for RepLKNet with its logarithm."""
        values = self.arrays[f"{self.config.compatibility}/{layer.name}"].astype(np.float64)
        if self.config.compatibility is Compatibility.replknet and values.any():
            return replknet_scores(values)
        return values / (values.max() or 1)


def _fair_fit(imap: InfluenceMap) -> GaussianFit | None:
    try:
        fit = fit_gaussian(imap)
    except InvalidInput:  # all zero, too few pixels, too flat
        return None
    return fit if fit.r_squared > FAIR_FIT else None


def run(config: Config, logbook: Logbook) -> Result:
    """Measure every layer's map, one group of images after the other, and compare it with its theoretical field."""
    network = make_network(config.source, config.network, config.weights, config.seed)
    fields = _fields(config, network)
    images = _images(config)
    groups = list(_groups(config, network.to(resolve_device(config.device)), images, logbook))
    found = {name: [group[name] for group in groups] for name in fields}
    merged = {name: reduce(InfluenceMap.merge, maps) for name, maps in found.items()}
    arrays = {f"map/{name}": imap.values.astype(np.float32) for name, imap in merged.items()}
    layers = [_layer(name, fields[name], merged[name], found[name]) for name in fields]
    if config.compatibility is not Compatibility.none:
        compatible = logbook.once(
            config.compatibility, dict[str, np.ndarray], partial(_compatible, config, network, images)
        )
        arrays |= {f"{config.compatibility}/{name}": values.astype(np.float32) for name, values in compatible.items()}
        layers = [replace(layer, area_ratios=_area_ratios(config, compatible[layer.name])) for layer in layers]
    unreadable = tuple(map(str, images.skipped)) if isinstance(images, Pictures) else ()
    result = Result(config, tuple(layers), unreadable, arrays)
    for layer in result.layers:
        _report(result, layer, logbook)
    return result


def _fields(config: Config, network: nn.Module) -> dict[str, ReceptiveField]:
    """Return the theoretical field of each layer's unit, by name."""
    settings: Any = {"channels": config.channels, "mode": config.mode}
    unit = tuple(config.unit) or None
    if not config.layers:
        return {OUTPUT: theoretical_receptive_field(network, config.input_size, None, unit, **settings)}
    return theoretical_receptive_field(network, config.input_size, config.layers, unit, **settings)


def _images(config: Config) -> NoiseImages | Pictures:
    batch_size = min(config.batch_size, -(-config.samples // GROUPS))
    rows_columns = tuple(config.input_size)
    if config.images == NOISE:
        shape = (config.channels, *rows_columns)
        return NoiseImages(config.noise, shape, config.samples, config.seed, batch_size)
    return Pictures(
        folder=config.images,
        input_size=(rows_columns[0], rows_columns[1]),
        channels=config.channels,
        batch_size=batch_size,
        limit=config.samples,
        unreadable=config.unreadable,
    )


def _groups(
    config: Config,
    network: nn.Module,
    images: NoiseImages | Pictures,
    logbook: Logbook,
) -> Iterator[dict[str, InfluenceMap]]:
    """Yield the layers' maps of each group of batches, by name; groups are as equal as batches allow."""
    count = len(images.paths) if isinstance(images, Pictures) else images.count
    batches = -(-count // images.batch_size)
    starts = [batches * group // min(GROUPS, batches) for group in range(min(GROUPS, batches) + 1)]
    stream = iter(images)
    for group in logbook.progress(range(len(starts) - 1), "measuring"):
        part = islice(stream, starts[group + 1] - starts[group])
        first = starts[group] * images.batch_size
        maps = logbook.once(f"images-{group}", dict[str, InfluenceMap], partial(_measure, config, network, part, first))
        deque(part, maxlen=0)  # goes past the images of a group that was kept from before
        yield maps


def _measure(config: Config, network: nn.Module, images: Iterator[Tensor], first: int) -> dict[str, InfluenceMap]:
    found = effective_receptive_field(
        network,
        images,
        layer=list(config.layers) or None,
        unit=tuple(config.unit) or None,
        statistic=config.statistic,
        aggregation=config.aggregation,
        seed=config.seed,
        first_sample=first,
        mode=config.mode,
        batch_size=config.batch_size,
    )
    return found if config.layers else {OUTPUT: found}


def _compatible(config: Config, network: nn.Module, images: NoiseImages | Pictures) -> dict[str, np.ndarray]:
    found = compatible_map(network, images, list(config.layers) or None, config.compatibility)
    return found if config.layers else {OUTPUT: found}


def _area_ratios(config: Config, contributions: np.ndarray) -> tuple[tuple[float, float | None], ...]:
    if config.compatibility is not Compatibility.replknet or not contributions.any():
        return ()
    found = {mass: replknet_area_ratio(contributions, mass) for mass in REPLKNET_MASSES}
    return tuple((mass, square and square.area_ratio) for mass, square in found.items())


def _layer(name: str, trf: ReceptiveField, imap: InfluenceMap, groups: list[InfluenceMap]) -> Layer:
    both = compare(trf, imap)
    return Layer(
        name=name,
        grid=trf.grid or (),
        unit=trf.unit,
        trf_size=tuple(None if math.isinf(size) else int(size) for size in both.trf_size),
        spanned_by=trf.spanned_by,
        box=trf.box,
        center=imap.center,
        clipped=both.clipped,
        effective_stride=both.effective_stride,
        erf_size=both.erf_size,
        interval=None if both.reference is None else _interval(groups, both.reference),
        reference=both.reference,
        cut=both.cut,
        ratio=both.ratio,
        sigma=both.sigma,
        r_squared=both.r_squared,
        r50=both.r50,
        r95=both.r95,
        samples=int(imap.samples),
        skipped=imap.skipped,
        diagnostics=both.diagnostics,
    )


def _interval(groups: list[InfluenceMap], reference: str) -> Interval | None:
    try:
        return jackknife_interval([g for g in groups if g.samples], partial(erf_size, reference=reference))
    except InvalidInput:  # without one of the groups the map has no size
        return None


def _report(result: Result, layer: Layer, logbook: Logbook) -> None:
    logbook.map(f"map/{layer.name}", *result.picture(layer), 0)
    numbers = {"size": layer.erf_size, "ratio": layer.ratio, "r95": layer.r95, "r_squared": layer.r_squared}
    numbers |= {"skipped_images": layer.skipped}
    logbook.scalars({f"{name}/{layer.name}": value for name, value in numbers.items() if value is not None}, 0)


def summary(result: Result) -> Group:
    """Return the table of layers, and below it what the reader must know about each."""
    layers = table(
        result.layers, ("layer", "name"), ("TRF", trf_text), ("ERF size", "erf_size", 1), ("95 %", "interval", 1),
        ("ratio", "ratio", 3), ("sigma", lambda layer: axes_text(_fair_sigma(layer), 1)), ("r²", "r_squared", 2),
        ("r95", "r95", 1), ("stride", lambda layer: axes_text(layer.effective_stride)),
        ("clipped", lambda layer: axes_text(layer.clipped)), ("images", "samples"),
    )  # fmt: skip
    return Group(layers, *_notes(result))


def _fair_sigma(layer: Layer) -> Sequence[float] | None:
    return layer.sigma if (layer.r_squared or 0) > FAIR_FIT else None


def _notes(result: Result) -> Iterator[Text]:
    """Yield one line for each note; no str, because a path's brackets are no markup."""
    for layer in result.layers:
        for note in layer_notes(layer):
            yield Text(f"{layer.name}: {note}")
    if result.unreadable:
        yield Text(f"left out, because they cannot be read: {', '.join(result.unreadable)}")


def layer_notes(layer: Layer) -> Iterator[str]:
    """Yield what the reader must know about a layer's numbers, one sentence each."""
    if layer.reference == Reference.peak:
        yield "the ERF size is relative to the peak, because the center is 0 or outside the image"
    if layer.cut and any(layer.cut):
        yield "the ERF leaves the image, so its size is that of the part inside; a larger input_size shows the rest"
    yield from layer.diagnostics
    if layer.area_ratios:
        ratios = [f"{100 * mass:g} % in {'no square' if r is None else percent(r)}" for mass, r in layer.area_ratios]
        yield f"RepLKNet's share of the scores, and the share of the image that holds it: {', '.join(ratios)}"


def percent(share: float) -> str:
    """Return a share for a table or title."""
    return f"{100 * share:.1f} %"


def trf_text(layer: Layer) -> str:
    """Return the TRF's side in pixels, by axis where they differ."""
    return axes_text([math.inf if size is None else size for size in layer.trf_size])


def axes_text(values: Sequence[float | None] | None, digits: int | None = None) -> str:
    """Return one value for all axes, or "rows x columns" where they differ; "-" for None."""
    texts = [_axis_text(value, digits) for value in values or [None]]
    return texts[0] if len(set(texts)) == 1 else " x ".join(texts)


def _axis_text(value: float | None, digits: int | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if digits is None else f"{value:.{digits}f}"
