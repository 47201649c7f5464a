"""Any network: the theoretical and the effective receptive field of its layers, joined.

No claim of the paper; its measures (section 3.1) on a network of torchvision, of timm or of the user's own.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from rich.console import Group
from rich.text import Text
from torch import nn

from erf import GaussianFit, InfluenceMap, InvalidInput, fit_gaussian
from erf.arguments.device import resolve_device
from erf.command.network_source import make_network
from erf.compatibility import Tool, compatible_map, replknet_area_ratio, replknet_scores
from erf.data.noise import NoiseImages
from erf.data.pictures import Pictures
from erf.layers.measured_layer import FAIR_FIT, LayerMeasurement
from erf.layers.numbers import axes_text, ratio_text, trf_text
from erf.maps.aggregation import require_aggregation
from erf.measurement.default_layers import default_layers
from erf.measurement.measuring import GROUPS, OUTPUT, UnitsOf
from experiments.harness.logbook import Logbook
from experiments.harness.soundness import Sides
from experiments.harness.table import table
from experiments.measure.config import NOISE, Compatibility, Config
from experiments.measure.layer import Layer, layer_notes

# The shares t of RepLKNet's table.
REPLKNET_MASSES = (0.2, 0.3, 0.5, 0.99)


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
        """Return a layer's map as it is drawn, over samples or rows and columns, and that map's fair fit.

        Frames are summed up.
        """
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
    names, images = _layers(config, network), _images(config)
    network.to(resolve_device(config.device))
    units = UnitsOf(
        network, names, config.units, config.input_size, config.channels, config.mode, precision=config.precision
    )
    measured = units.measured(list(_groups(config, units, images, logbook)))
    arrays = {f"map/{layer.name}": layer.map.values.astype(np.float32) for layer in measured}
    layers = [_layer(layer) for layer in measured]
    if config.compatibility is not Compatibility.none:
        compatible = logbook.once(
            config.compatibility, dict[str, np.ndarray], partial(_compatible, config, names, network, images)
        )
        arrays |= {f"{config.compatibility}/{name}": values.astype(np.float32) for name, values in compatible.items()}
        layers = [replace(layer, area_ratios=_area_ratios(config, compatible[layer.name])) for layer in layers]
    unreadable = tuple(map(str, images.skipped)) if isinstance(images, Pictures) else ()
    result = Result(config, tuple(layers), unreadable, arrays)
    for layer in result.layers:
        _report(result, layer, logbook)
    return result


def _layers(config: Config, network: nn.Module) -> list[str] | None:
    """Return the names of the layers to measure; None is the network's own output."""
    if config.layers is not None:
        return config.layers or None
    return default_layers(network, config.input_size, config.channels, config.mode) or None


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
        mean=tuple(config.mean) or None,
        std=tuple(config.std) or None,
        batch_size=batch_size,
        limit=config.samples,
        unreadable=config.unreadable,
    )


def _groups(
    config: Config, units: UnitsOf, images: NoiseImages | Pictures, logbook: Logbook
) -> Iterator[dict[str, InfluenceMap]]:
    """Yield the layers' maps of each group of batches, by name; groups are as equal as batches allow, and kept on disk.

    So an interrupted run goes on from the last group, which :func:`erf.measure` does not.
    """
    count = len(images.paths) if isinstance(images, Pictures) else images.count
    batches = -(-count // images.batch_size)
    starts = [batches * group // min(GROUPS, batches) for group in range(min(GROUPS, batches) + 1)]
    stream = iter(images)
    settings = (config.statistic, require_aggregation(config.aggregation), config.seed, config.batch_size)
    for group in logbook.progress(range(len(starts) - 1), "measuring"):
        part = islice(stream, starts[group + 1] - starts[group])
        first = starts[group] * images.batch_size
        yield logbook.once(f"images-{group}", dict[str, InfluenceMap], partial(units.maps, part, first, *settings))
        deque(part, maxlen=0)  # goes past the images of a group that was kept from before


def _compatible(
    config: Config, layers: list[str] | None, network: nn.Module, images: NoiseImages | Pictures
) -> dict[str, np.ndarray]:
    tool = Tool(config.compatibility)
    if layers:
        return compatible_map(network, images, layers, tool)
    return {OUTPUT: compatible_map(network, images, tool=tool)}


def _area_ratios(config: Config, contributions: np.ndarray) -> tuple[tuple[float, float | None], ...]:
    if config.compatibility is not Compatibility.replknet or not contributions.any():
        return ()
    squares = {mass: replknet_area_ratio(contributions, mass) for mass in REPLKNET_MASSES}
    return tuple((mass, square and square.area_ratio) for mass, square in squares.items())


def _layer(measured: LayerMeasurement) -> Layer:
    """Return what the record keeps of a layer."""
    trf, both = measured.field, measured.comparison
    alike = {known.name: getattr(both, known.name) for known in fields(Layer) if hasattr(both, known.name)}
    own: dict[str, Any] = {"trf_size": tuple(None if math.isinf(size) else int(size) for size in both.trf_size)}
    return Layer(
        **alike | own,
        name=measured.name,
        grid=trf.grid or (),
        unit=trf.unit,
        spanned_by=trf.spanned_by,
        box=trf.box,
        center=measured.map.center,
        interval=measured.raw and measured.raw.interval,
        samples=int(measured.map.samples),
        skipped=measured.map.skipped,
        local_size=tuple(None if size is None else int(size) for size in trf.local.size),
        assumptions=trf.assumptions,
        averaged_size=measured.averaged and measured.averaged.value,
        averaged_interval=measured.averaged and measured.averaged.interval,
    )


def _report(result: Result, layer: Layer, logbook: Logbook) -> None:
    if len(result.config.input_size) > 1:  # a curve is no image; the figure has it
        logbook.map(f"map/{layer.name}", *result.picture(layer), 0)
    numbers = {"size": layer.erf_size, "ratio": layer.ratio, "r95": layer.r95, "r_squared": layer.r_squared}
    numbers |= {"skipped_images": layer.skipped}
    logbook.scalars({f"{name}/{layer.name}": value for name, value in numbers.items() if value is not None}, 0)


def summary(result: Result) -> Group:
    """Return the table of layers, and below it what the reader must know about each."""
    layers = table(
        result.layers, ("layer", "name"), ("TRF", trf_text), ("ERF size", "erf_size", 1), ("95 %", "interval", 1),
        ("ratio", lambda layer: ratio_text(layer, 3)),
        ("sigma", lambda layer: axes_text(layer.sigma if (layer.r_squared or 0) > FAIR_FIT else None, 1)),
        ("r²", "r_squared", 2), ("r95", "r95", 1), ("stride", lambda layer: axes_text(layer.effective_stride)),
        ("clipped", lambda layer: axes_text(layer.clipped)), ("images", "samples"),
    )  # fmt: skip
    return Group(layers, *_notes(result))


def _notes(result: Result) -> Iterator[Text]:
    """Yield one line for each note; no str, because a path's brackets are no markup."""
    for layer in result.layers:
        for note in layer_notes(layer):
            yield Text(f"{layer.name}: {note}")
    if result.unreadable:
        yield Text(f"left out, because they cannot be read: {', '.join(result.unreadable)}")
