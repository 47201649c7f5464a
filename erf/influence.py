"""The influence of every input pixel on a unit, and effective receptive fields measured from it (section 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from erf.aggregation import Aggregation, check_aggregation, output_direction
from erf.cropping import Crop, Probe, crops
from erf.device import full_float32
from erf.diagnostics import findings
from erf.errors import InvalidInput
from erf.influence_map import InfluenceMap, map_of_samples
from erf.layer_outputs import layer_outputs
from erf.receptive_field import ReceptiveField, Unit
from erf.statistic import Statistic, choice

# Channels whose gradients do not cancel have sums of the size of their randomly signed sums; those of a LayerNorm in
# float32 have a ten-millionth of it.
CANCELLED = 1e-3


class Mode(StrEnum):
    """Whether the network is put into eval mode while measuring, or left in the modes that it is in."""

    eval = "eval"
    as_is = "as_is"


def influence(network: nn.Module, images: Tensor, unit: Unit, direction: Tensor | None = None) -> Tensor:
    r"""Return the signed influence of every input pixel on one output unit (section 2 of the paper).

    .. math:: g_{n,c,i,j} = \partial \sum_k d_k y_{n,k,u} / \partial x_{n,c,i,j}

    Args:
        network: Maps ``images [N, C, H, W]`` to features ``[N, K, H', W']``.
        images: Where the gradient is taken. Not modified.
        unit: Row and column ``u`` of the output unit.
        direction: Weights ``d`` of the output channels, ``[K]``, or ``[N, K]`` for one set an image; None is all ones.

    Returns:
        ``[N, C, H, W]``, signed.

    Raises:
        InvalidInput: The unit is outside the output's grid.
    """
    leaf = images.detach().clone().requires_grad_()
    with _measuring(network, Mode.as_is):
        # A network may change its input in place, which a leaf would forbid.
        features = network(leaf.clone())
        grid = tuple(features.shape[2:])
        if len(unit) != len(grid) or any(not 0 <= index < side for index, side in zip(unit, grid, strict=True)):
            raise InvalidInput(f"unit={unit} is outside the layer's grid of {' x '.join(map(str, grid))} units")
        return _gradient(features[(..., *unit)], leaf, direction)


def effective_receptive_field(
    network: nn.Module,
    images: Tensor | Iterable[Any],
    layer: str | list[str] | None = None,
    unit: Unit | list[Unit] | None = None,
    statistic: str = "mean_abs",
    aggregation: Aggregation = "random_sign",
    seed: int = 0,
    first_sample: int = 0,
    mode: str = "eval",
    normalize: bool = False,
    batch_size: int = 8,
) -> Any:
    r"""Measure the influence map of units of a network over images.

    With statistic mean_abs and random signs s of the output channels,

    .. math:: values_{i,j} = \operatorname{mean}_{n,c} \left|\sum_k s_{n,k}\,
              \partial y_{n,k,u} / \partial x_{n,c,i,j}\right|

    Only the part of the image that a unit's TRF reaches is run, where that is shown to give the same values; the map is
    0 elsewhere. Memory does not grow with the number of images, and the result depends neither on ``batch_size`` nor on
    how the images are split into calls (``first_sample`` places one; ``merge`` joins them) beyond rounding.

    Args:
        network: Maps images ``[N, C, H, W]`` to features ``[N, K, H', W']``; left as it was found.
        images: ``[N, C, H, W]``, or an iterable of such batches, or of tuples or lists that begin with one, as a
            DataLoader of images and labels gives them.
        layer: A module's name, a list of names, or None for the network's output.
        unit: A (row, column) of the layer's grid, a list of them, or None for (H'//2, W'//2).
        statistic: "mean_abs", "rms", "mean_square" or "signed_mean", over images and input channels.
        aggregation: Of output channels: "random_sign", "sum" or a channel's index.
        seed: Of the random signs.
        first_sample: Index of the first image, from which its signs are drawn.
        mode: "eval" measures in eval mode; "as_is" leaves train-mode layers, whose batch statistics join all pixels.
        normalize: Divide each image's moments by their sum before averaging.
        batch_size: Images in one forward pass.

    Returns:
        An InfluenceMap; a dict of them by name for a list of layers; lists of them for a list of units.

    Raises:
        InvalidInput: An argument does not fit the network, or a gradient is not finite.
    """
    kind = choice(Statistic, statistic, "statistic")
    names = layer if isinstance(layer, list) else [layer]
    units = unit if isinstance(unit, list) else [unit]
    found: list[Crop] = []
    size: list[int] = []
    parts: dict[int, InfluenceMap] = {}
    cancelling: set[int] = set()
    with _measuring(network, choice(Mode, mode, "mode")):
        for first, batch in _batches(images, batch_size, first_sample):
            if not found:
                channels, *size = batch.shape[1:]
                found = crops(network, size, channels, names, units, mode)
                cancelling = _cancelling(network, batch[:1], found) if aggregation == "sum" else set()
            choose = partial(_directions, aggregation, kind, seed, range(first, first + len(batch)))
            for number, probe, g in _influences(network, batch, found, choose):
                new = _map_of(g, probe.field, kind, aggregation, normalize)
                parts[number] = parts[number].merge(new) if number in parts else new
    if not parts:
        raise InvalidInput("there is no image to measure on")
    whole = _on_the_image(parts, found, size)
    maps = [
        replace(imap, findings=findings(network, probe.field, number in cancelling)) for number, probe, imap in whole
    ]
    by_layer = {name: maps[i * len(units) : (i + 1) * len(units)] for i, name in enumerate(names)}
    results = {name: found if isinstance(unit, list) else found[0] for name, found in by_layer.items()}
    return results if isinstance(layer, list) else results[layer]


def _on_the_image(
    parts: dict[int, InfluenceMap], found: Sequence[Crop], size: Sequence[int]
) -> list[tuple[int, Probe, InfluenceMap]]:
    """Put the maps into the whole image, in the order of their numbers; they are 0 outside of their crops."""
    whole = []
    for crop in found:
        for number, probe in crop.probes.items():
            values = np.zeros(size)
            values[crop.slices] = parts[number].values
            whole.append((number, probe, replace(parts[number], values=values)))
    return sorted(whole, key=lambda entry: entry[0])


def _batches(images: Tensor | Iterable[Any], batch_size: int, first: int) -> Iterator[tuple[int, Tensor]]:
    if batch_size < 1:
        raise InvalidInput(f"batch_size={batch_size}: allowed are whole numbers from 1")
    if isinstance(images, str) or not isinstance(images, Iterable):
        raise InvalidInput(
            f"images are a tensor or an iterable of batches, not {type(images).__name__}; "
            "those of a folder are erf.pictures.Pictures(folder, input_size)"
        )
    shape = None
    for given in [images] if isinstance(images, Tensor) else images:
        whole = _images_of(given)
        _check_images(whole, shape or whole.shape[1:])
        shape = whole.shape[1:]
        for batch in whole.split(batch_size) if len(whole) else ():
            yield first, batch
            first += len(batch)


def _images_of(batch: object) -> Tensor:
    """Return the images of a batch that may come with labels, as those of a DataLoader do."""
    images = batch[0] if isinstance(batch, tuple | list) and batch else batch
    if not isinstance(images, Tensor):
        outside = "" if images is batch else f"a {type(batch).__name__} that begins with "
        raise InvalidInput(
            f"a batch of images is a tensor, or a tuple or list with one first, not {outside}{type(images).__name__}"
        )
    return images


def _check_images(images: Tensor, shape: torch.Size) -> None:
    if images.ndim < 3:
        raise InvalidInput(f"images must have shape [N, C, H, W], not {list(images.shape)}")
    if images.shape[1:] != shape:
        raise InvalidInput(
            f"all images must have one shape: after images of {list(shape)} came {list(images.shape[1:])}"
        )
    if not images.isfinite().all():
        raise InvalidInput("the images have values that are not finite")


def _influences(
    network: nn.Module, batch: Tensor, found: Sequence[Crop], choose: Callable[[int], Tensor]
) -> Iterator[tuple[int, Probe, Tensor]]:
    """Yield each probe, by its number, and its influence on its crop: one forward pass a crop, to the last layer."""
    for crop in found:
        part = batch.detach()[(..., *crop.slices)].to(_home(network, batch))
        leaf, outputs = _forward(network, part, list(dict.fromkeys(probe.layer for probe in crop.probes.values())))
        for number, probe in crop.probes.items():
            at_unit = _at_unit(outputs[probe.layer], probe, len(batch))
            yield number, probe, _gradient(at_unit, leaf, choose(at_unit.shape[1]))


def _forward(network: nn.Module, part: Tensor, layers: list[str | None]) -> tuple[Tensor, dict[str | None, Tensor]]:
    """Return the leaf and the layers' outputs, in the fastest memory layout that the network can work in."""
    if _is_faster_with_channels_last(network, part):
        leaf = part.contiguous(memory_format=torch.channels_last).requires_grad_()
        with suppress(InvalidInput):  # as of a view that rows and columns behind the channels would allow
            return leaf, layer_outputs(network, leaf, layers, whole=False)
    leaf = part.contiguous().requires_grad_()
    return leaf, layer_outputs(network, leaf, layers, whole=False)


def _is_faster_with_channels_last(network: nn.Module, part: Tensor) -> bool:
    """A network that draws numbers would draw others."""
    fits = part.ndim == 4 and part.device.type == "cpu" and part.dtype == torch.float32
    return fits and not any(module.training for module in network.modules())


def _cancelling(network: nn.Module, image: Tensor, found: Sequence[Crop]) -> set[int]:
    """Return the numbers of the probes whose channels' sum has next to none of the influence that each of them has."""

    def totals(aggregation: Aggregation) -> dict[int, float]:
        choose = partial(_directions, aggregation, Statistic.mean_abs, 0, range(1))
        return {
            number: float(g.abs().sum(dtype=torch.float64))
            for number, _, g in _influences(network, image, found, choose)
        }

    of_sum, of_signs = totals("sum"), totals("random_sign")
    return {number for number, total in of_sum.items() if total < CANCELLED * of_signs[number]}


def _at_unit(outputs: Tensor, probe: Probe, images: int) -> Tensor:
    """Return the unit's channels ``[N, K]``, in whatever layout the layer's output is."""
    name = "the network's output" if probe.layer is None else f"layer {probe.layer!r}"
    if probe.index is None:
        raise InvalidInput(f"{name} has no spatial axes, so its units have a TRF but no map; name an earlier layer")
    if probe.index[0] != slice(None) or len(outputs) != images:
        raise InvalidInput(f"{name} has shape {list(outputs.shape)}: its first dimension must be the images")
    return outputs[probe.index].reshape(images, -1)


def _gradient(at_unit: Tensor, leaf: Tensor, direction: Tensor | None) -> Tensor:
    weighted = at_unit if direction is None else at_unit * direction.to(at_unit)
    (g,) = torch.autograd.grad(weighted.sum(), leaf, retain_graph=True, allow_unused=True)
    return torch.zeros_like(leaf) if g is None else g


def _directions(aggregation: Aggregation, kind: Statistic, seed: int, samples: range, channels: int) -> Tensor:
    check_aggregation(aggregation, channels, kind)
    return torch.stack([output_direction(aggregation, channels, seed, sample) for sample in samples])


def _map_of(
    g: Tensor, field: ReceptiveField, kind: Statistic, aggregation: Aggregation, normalize: bool
) -> InfluenceMap:
    if not g.isfinite().all():
        image = int((~g.isfinite()).flatten(1).any(1).nonzero()[0])
        raise InvalidInput(
            f"the gradient of image {image} of its batch is not finite: an activation or the gradient overflowed "
            f"{str(g.dtype).removeprefix('torch.')}; measure in float64 or rescale the weights"
        )
    moments = kind.moment(g.double()).mean(1).cpu().numpy()
    return map_of_samples(moments, kind, field.box, aggregation, normalize, field.centre)


def _home(network: nn.Module, batch: Tensor) -> Tensor:
    """Return a tensor whose device and dtype images must have for this network."""
    return next(network.parameters(), batch)


@contextmanager
def _measuring(network: nn.Module, mode: Mode) -> Iterator[None]:
    """Put the network into the mode to measure in; restore all that measuring may change."""
    modes = {module: module.training for module in network.modules()}
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    if mode is Mode.eval:
        network.eval()
    try:
        with _frozen(network), full_float32(), torch.random.fork_rng(), torch.enable_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                buffer.copy_(buffers[name])


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Keep autograd from recording what only the parameters' gradients would need."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
