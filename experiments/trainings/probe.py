"""Where the ERF of a network in training is measured: images, units and layers (section 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from erf import InfluenceMap, InvalidInput, ReceptiveField, effective_receptive_field, erf_size
from erf.data.noise import Noise
from erf.data.split import Split
from erf.files.atomic_file import atomic_write
from erf.maps.aggregation import Aggregation, require_aggregation
from erf.maps.statistic import Statistic
from erf.metrics.gaussian_fit import map_moments
from erf.metrics.grid_average import grid_average_inside
from erf.metrics.mass_radius import mass_radius
from erf.networks.camvid_frontend import CamvidFrontend
from erf.networks.cifar_resnet import CifarResNet
from erf.reachability.receptive_field import theoretical_receptive_field
from erf.seeds import derive, generator
from experiments.harness.intervals import Interval, middle, resampled
from experiments.harness.record import decode_arrays, encode_arrays
from experiments.harness.trf_box import without_box
from experiments.trainings.plan import Probe, Progress, Stream, TrainingConfig

LARGEST_THUMBNAIL = 128  # pixels a side of the maps that a record keeps to be looked at only
HALF_HEIGHT = 0.5
TRF_SIZES = {"camvid": CamvidFrontend.trf_size, "cifar10": CifarResNet.trf_size}


@dataclass(frozen=True)
class Probing:
    """How and where the ERF is measured: images as the network sees them, and fields of the layer's units.

    Of ``fields`` the center's is the first.
    """

    config: TrainingConfig
    layer: str
    images: Tensor
    fields: tuple[ReceptiveField, ...]

    @property
    def units(self) -> list[tuple[int, ...]]:
        """The units, the center's first."""
        return [field.unit for field in self.fields]

    @property
    def period(self) -> tuple[int, ...]:
        """The period of the grid that strides leave on a map: the jump of the units, which are evenly spaced."""
        return tuple(int(jump) for jump in self.fields[0].jump if jump is not None)


@dataclass(frozen=True)
class UnitSizes:
    """What one measurement left on disk: thumbnails of the maps ``[U, h, w]``, ERF sizes ``[U]``, and the center's map.

    ``center`` is to be looked at, too: it has the image's size but the details of its thumbnail. ``resampled_sizes
    [B]`` are the center's, of images drawn anew; ``resampled_averaged_sizes`` and ``resampled_half_height_sizes [B]``,
    of the same draws, are those of its map averaged over the grid's period.
    """

    center: InfluenceMap
    thumbnails: np.ndarray
    sizes: np.ndarray
    resampled_sizes: np.ndarray
    resampled_averaged_sizes: np.ndarray
    resampled_half_height_sizes: np.ndarray


@dataclass(frozen=True)
class LayerErf:
    """The middle unit of one layer: its ERF size (None where its center has none), 95 % over images, and its map.

    ``values [H, W]`` is the map, ``thumbnail [h, w]`` what a record keeps of it.
    """

    layer: str
    trf_size: int
    size: float | None
    interval: Interval | None
    values: np.ndarray
    thumbnail: np.ndarray


def probing_of(
    config: TrainingConfig, network: nn.Module, layer: str, held_out: Split, probe: Probe, grid: int, of: str = ""
) -> Probing:
    """Return the images to measure on, and the layer's center unit and ``grid`` rows and columns of others.

    ``of`` is the data set that ``images`` is typed with where there are several: ``cifar10_images``.

    Raises:
        InvalidInput: There are fewer held-out images than are asked for.
    """
    if config.images > len(held_out):
        raise InvalidInput(f"{of}{'_' * bool(of)}images={config.images}: there are {len(held_out)} validation images")
    # Evenly spaced: neighbours are of one class, or frames of one scene.
    images = held_out.normalized(torch.arange(config.images) * len(held_out) // config.images)
    if probe is Probe.noise:
        draws = (generator(config.seed, Stream.noise, index) for index in range(config.images))
        images = torch.stack([Noise.normal.draw(images.shape[1:], draw) for draw in draws])
    center = theoretical_receptive_field(network, images.shape[2:], layer)
    assert center.grid is not None, "what is measured has rows and columns"
    if grid > min(center.grid):
        raise InvalidInput(f"grid={grid}: allowed are 1 to {min(center.grid)}, the rows and columns of {layer}")
    places = [[(i + 1) * side // (grid + 1) for i in range(grid)] for side in center.grid]
    others = [(row, column) for row in places[0] for column in places[1] if (row, column) != center.unit]
    fields = theoretical_receptive_field(network, images.shape[2:], layer, unit=[center.unit, *others])
    return Probing(config, layer, images, tuple(fields))


def measure_units(probing: Probing, file: Path, network: nn.Module, progress: Progress, text: str) -> dict[str, float]:
    """Keep what is measured of all units in ``file``; return the :func:`map_numbers` of the center unit."""
    config = probing.config
    moments, maps = [], []
    for index in progress(range(config.images), text, config.images):
        of_image = _measured(probing, network, index, probing.layer, probing.units)
        moments.append(config.statistic.to_mean_moment(of_image[0].values))
        maps = [old.merge(new) for old, new in zip(maps, of_image, strict=True)] if maps else of_image
    size = partial(erf_size, reference=config.reference)
    half_height = partial(size, level=HALF_HEIGHT)
    average = partial(grid_average_inside, period=probing.period)
    center, averaged = maps[0], average(maps[0])
    means = np.stack([_averaged_moment(config, average, center, moment) for moment in moments])
    arrays = {
        "samples": np.array(center.samples),
        "units": thumbnails(np.stack([imap.values for imap in maps])),
        "sizes": np.array([size(imap) for imap in maps]),
        "resampled_sizes": _resampled(config, np.stack(moments), center, size),
        "resampled_averaged_sizes": _resampled(config, means, averaged, size),
        "resampled_half_height_sizes": _resampled(config, means, averaged, half_height),
    }
    atomic_write(file, encode_arrays(arrays))
    return map_numbers(probing, center)


def map_numbers(probing: Probing, imap: InfluenceMap) -> dict[str, float]:
    """Return the numbers of a map of the center unit.

    The size, the radii and sigma are those of the map as it is, the averaged and the half-height size those of the map
    averaged over the period of the layer's grid.
    """
    size = partial(erf_size, reference=probing.config.reference)
    averaged = grid_average_inside(imap, probing.period)
    rows, columns = map_moments(imap).sigma
    return {
        "erf_size": size(imap),
        "averaged_size": size(averaged),
        "half_height_size": size(averaged, level=HALF_HEIGHT),
        "r50": mass_radius(imap, 0.5),
        "r95": mass_radius(imap, 0.95),
        "sigma": (rows + columns) / 2,
        "sigma_rows": rows,
        "sigma_columns": columns,
    }


def center_map(probing: Probing, network: nn.Module, statistic: Statistic, aggregation: Aggregation) -> InfluenceMap:
    """Return the center unit's map over all images."""
    signs = derive(probing.config.seed, Stream.signs)
    kind = require_aggregation(aggregation)
    return effective_receptive_field(network, probing.images, probing.layer, probing.units[0], statistic, kind, signs)


def measure_mean_square(probing: Probing, network: nn.Module) -> dict[str, float]:
    """Return the numbers of the center unit's map by another statistic, the mean over images of the squares.

    Its size is that of the map averaged over the period of the layer's grid.
    """
    numbers = map_numbers(probing, center_map(probing, network, Statistic.mean_square, probing.config.aggregation))
    return {
        "mean_square_size": numbers["averaged_size"],
        "mean_square_sigma_rows": numbers["sigma_rows"],
        "mean_square_sigma_columns": numbers["sigma_columns"],
    }


def _averaged_moment(
    config: TrainingConfig, average: Callable[[InfluenceMap], InfluenceMap], imap: InfluenceMap, moment: np.ndarray
) -> np.ndarray:
    """Return the ``average`` of one image's moments ``[H, W]``, whose map is otherwise like ``imap``."""
    averaged = average(imap.with_moment(moment, config.statistic))
    return config.statistic.to_mean_moment(averaged.values)


def read_units(probing: Probing, file: Path) -> UnitSizes:
    """Return what :func:`measure_units` kept in ``file``."""
    config, arrays = probing.config, decode_arrays(file)
    field, samples = probing.fields[0], int(arrays["samples"])
    center = InfluenceMap(
        values=_enlarged(arrays["units"][0], probing.images.shape[2:]),
        statistic=config.statistic,
        center=field.center,
        trf_box=field.box,
        samples=samples,
        skipped=config.images - samples,
        aggregation=config.aggregation,
    )
    numbers = {name: array for name, array in arrays.items() if name not in ("samples", "units")}
    return UnitSizes(center, arrays["units"], **numbers)


def measure_layers(
    probing: Probing, layers: list[str], network: nn.Module, progress: Progress, text: str
) -> list[LayerErf]:
    """Measure the middle unit of each of ``layers``, on the same images as the units."""
    fields = theoretical_receptive_field(network, probing.images.shape[2:], layers)
    return [
        _layer_erf(probing, layer, int(fields[layer].size[0]), network) for layer in progress(layers, text, len(layers))
    ]


def _layer_erf(probing: Probing, layer: str, trf_size: int, network: nn.Module) -> LayerErf:
    config = probing.config
    maps = [_measured(probing, network, index, layer, None) for index in range(config.images)]
    moments = np.stack([config.statistic.to_mean_moment(one.values) for one in maps])
    imap = reduce(InfluenceMap.merge, maps)
    try:
        measure = partial(erf_size, reference=config.reference)
        size, interval = measure(imap), middle(_resampled(config, moments, imap, measure))
    except InvalidInput:  # the center has no influence, in all images or in those that were drawn
        size, interval = None, None
    return LayerErf(layer, trf_size, size, interval, imap.values, thumbnails(imap.values[None])[0])


def _measured(probing: Probing, network: nn.Module, index: int, layer: str, units: Any) -> Any:
    config = probing.config
    return effective_receptive_field(
        network, probing.images[index : index + 1], layer, units, config.statistic,
        require_aggregation(config.aggregation), derive(config.seed, Stream.signs), first_sample=index,
    )  # fmt: skip


def _resampled(
    config: TrainingConfig, moments: np.ndarray, imap: InfluenceMap, quantity: Callable[[InfluenceMap], float]
) -> np.ndarray:
    """Return ``quantity`` of images drawn anew, the same ones whenever it is asked."""
    return resampled(moments, imap, quantity, config.bootstrap, derive(config.seed, Stream.bootstrap))


def thumbnails(maps: np.ndarray) -> np.ndarray:
    """Return maps ``[N, H, W]`` with peak 1 (or all 0), precise enough to look at; large ones as means of blocks."""
    block = _block(maps.shape[1:])
    rows, columns = (side // block for side in maps.shape[1:])
    cut = maps[:, : rows * block, : columns * block]
    means = cut.reshape(len(maps), rows, block, columns, block).mean((2, 4))
    peaks = means.max(axis=(1, 2), keepdims=True)
    return (means / np.where(peaks > 0, peaks, 1)).astype(np.float16)


def _enlarged(values: np.ndarray, sides: Sequence[int]) -> np.ndarray:
    """Return a map of :func:`thumbnails` in the size that it had, every mean in place of its block."""
    block = _block(sides)
    large = np.kron(values.astype(np.float64), np.ones((block, block)))
    return np.pad(large, [(0, side - there) for side, there in zip(sides, large.shape, strict=True)], mode="edge")


def _block(sides: Sequence[int]) -> int:
    return -(-max(sides) // LARGEST_THUMBNAIL)


def without_box_of(key: str, values: np.ndarray) -> str:
    """Return why the map ``values [H, W]`` of the array ``KIND/<data set>_<width>/...`` has no box of the TRF."""
    data_set = key.split("/")[1].partition("_")[0]
    return without_box(TRF_SIZES[data_set], max(values.shape))
