"""Effective receptive fields: influence maps measured over images (section 2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, overload

from torch import Tensor, nn

from erf.maps.aggregation import AggregationName
from erf.maps.influence_map import InfluenceMap
from erf.maps.measured_maps import measured_maps
from erf.maps.precision import PrecisionName
from erf.maps.prepared import Remembered
from erf.maps.statistic import StatisticName
from erf.reachability.request import Answer, Layers, ModeName, NamedLayer, Runner, Unit, Units


@overload
def effective_receptive_field(
    network: nn.Module, images: Tensor | Iterable[Any], layer: NamedLayer | None = None, unit: Unit | None = None,
    statistic: StatisticName = "mean_abs", aggregation: AggregationName = "random_sign", seed: int = 0,
    first_sample: int = 0, mode: ModeName = "eval", normalize: bool = False, batch_size: int = 8,
    call: Runner | None = None, of_channels: int | Sequence[int] | None = None, precision: PrecisionName = "as_is",
) -> InfluenceMap: ...  # fmt: skip
@overload
def effective_receptive_field(
    network: nn.Module, images: Tensor | Iterable[Any], layer: NamedLayer | None = None, *, unit: Units,
    statistic: StatisticName = "mean_abs", aggregation: AggregationName = "random_sign", seed: int = 0,
    first_sample: int = 0, mode: ModeName = "eval", normalize: bool = False, batch_size: int = 8,
    call: Runner | None = None, of_channels: int | Sequence[int] | None = None, precision: PrecisionName = "as_is",
) -> list[InfluenceMap]: ...  # fmt: skip
@overload
def effective_receptive_field(
    network: nn.Module, images: Tensor | Iterable[Any], layer: NamedLayer | None, unit: Units,
    statistic: StatisticName = "mean_abs", aggregation: AggregationName = "random_sign", seed: int = 0,
    first_sample: int = 0, mode: ModeName = "eval", normalize: bool = False, batch_size: int = 8,
    call: Runner | None = None, of_channels: int | Sequence[int] | None = None, precision: PrecisionName = "as_is",
) -> list[InfluenceMap]: ...  # fmt: skip
@overload
def effective_receptive_field(
    network: nn.Module, images: Tensor | Iterable[Any], layer: Layers, unit: Unit | None = None,
    statistic: StatisticName = "mean_abs", aggregation: AggregationName = "random_sign", seed: int = 0,
    first_sample: int = 0, mode: ModeName = "eval", normalize: bool = False, batch_size: int = 8,
    call: Runner | None = None, of_channels: int | Sequence[int] | None = None, precision: PrecisionName = "as_is",
) -> dict[str, InfluenceMap]: ...  # fmt: skip
@overload
def effective_receptive_field(
    network: nn.Module, images: Tensor | Iterable[Any], layer: Layers, unit: Units,
    statistic: StatisticName = "mean_abs", aggregation: AggregationName = "random_sign", seed: int = 0,
    first_sample: int = 0, mode: ModeName = "eval", normalize: bool = False, batch_size: int = 8,
    call: Runner | None = None, of_channels: int | Sequence[int] | None = None, precision: PrecisionName = "as_is",
) -> dict[str, list[InfluenceMap]]: ...  # fmt: skip
def effective_receptive_field(
    network: nn.Module,
    images: Tensor | Iterable[Any],
    layer: NamedLayer | Layers | None = None,
    unit: Unit | Units | None = None,
    statistic: StatisticName = "mean_abs",
    aggregation: AggregationName = "random_sign",
    seed: int = 0,
    first_sample: int = 0,
    mode: ModeName = "eval",
    normalize: bool = False,
    batch_size: int = 8,
    call: Runner | None = None,
    of_channels: int | Sequence[int] | None = None,
    precision: PrecisionName = "as_is",
) -> Answer[InfluenceMap]:
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
        layer: A module or its name, a list of these, or None for the network's output. One without rows and columns,
            as of class logits, has one unit.
        unit: A (row, column) of the layer's grid, a list of them, or None for (H'//2, W'//2).
        statistic: "mean_abs", "rms", "mean_square" or "signed_mean", over images and input channels.
        aggregation: Of output channels: "random_sign", "sum" or a channel's index.
        seed: Of the random signs.
        first_sample: Index of the first image, from which its signs are drawn.
        mode: "eval" measures in eval mode; "as_is" leaves train-mode layers, whose batch statistics join all pixels.
        normalize: Divide each image's moments by their sum before averaging.
        batch_size: Images in one forward pass.
        call: As for :func:`erf.theoretical_receptive_field`.
        of_channels: The input channel, or those, whose influence counts; None is all.
        precision: "as_is" runs the network in its own; "bfloat16" runs the products of a float32 network in bfloat16
            (``torch.autocast``). The map is averaged in float64 all the same, and ``diagnostics`` says its error, found
            by running image 0 both ways.

    Returns:
        An InfluenceMap; a dict of them by name for a list of layers; lists of them for a list of units.

    Raises:
        InvalidInput: An argument does not fit the network, a gradient is not finite, or nothing that autograd knows of
            leads from a layer to the images, as under ``torch.no_grad``.

    >>> import erf
    >>> import torch
    >>> network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3))
    >>> imap = erf.effective_receptive_field(network, torch.ones(2, 1, 33, 33))
    >>> imap.values.shape, imap.trf_box, imap.samples
    ((33, 33), ((14, 19), (14, 19)), 2)
    """
    prepared = Remembered(network, layer, unit, mode, call, precision)
    return measured_maps(
        prepared, images, statistic, aggregation, seed, first_sample, normalize, batch_size, of_channels
    )
