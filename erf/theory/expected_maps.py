r"""The influence map of any network that is expected over independent weights: one backward pass, without sampling.

The gradient at a pixel is a sum over paths, each with a product of weights. If these are independent and of mean zero,
products of different paths cancel in E[g^2], but for paths that differ in fixed filters alone, and what is left passes
each layer backward by the squares of its weights (section 2.2 of the paper, for stacks).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, overload

import torch
from torch import Tensor, nn

from erf.arguments import require_whole
from erf.errors import InvalidInput
from erf.maps.influence_map import InfluenceMap
from erf.maps.passes import batches, measuring
from erf.maps.statistic import Statistic, choice
from erf.reachability.as_written import run_by
from erf.reachability.receptive_field import ReceptiveField, traced_fields
from erf.reachability.request import Answer, Layers, Mode, NamedLayer, Runner, Unit, Units, image_size, request
from erf.theory.backward_squares import path_to, squares_at_image
from erf.theory.gates import Gates, GatesName, are_measured, findings
from erf.theory.noise_images import noise_images
from erf.theory.operator_rules import RULES
from erf.theory.tape import Tape, record
from erf.theory.weight_squares import WeightsName, WeightSquares, squares_of


@overload
def expected_map(
    network: nn.Module, input_size: int | Sequence[int], layer: NamedLayer | None = None, unit: Unit | None = None,
    weights: WeightsName = "variance", gates: GatesName = "auto", images: Tensor | Iterable[Any] | None = None,
    *, channels: int | None = None, call: Runner | None = None,
) -> InfluenceMap: ...  # fmt: skip
@overload
def expected_map(
    network: nn.Module, input_size: int | Sequence[int], layer: NamedLayer | None = None, *, unit: Units,
    weights: WeightsName = "variance", gates: GatesName = "auto", images: Tensor | Iterable[Any] | None = None,
    channels: int | None = None, call: Runner | None = None,
) -> list[InfluenceMap]: ...  # fmt: skip
@overload
def expected_map(
    network: nn.Module, input_size: int | Sequence[int], layer: Layers, unit: Unit | None = None,
    weights: WeightsName = "variance", gates: GatesName = "auto", images: Tensor | Iterable[Any] | None = None,
    *, channels: int | None = None, call: Runner | None = None,
) -> dict[str, InfluenceMap]: ...  # fmt: skip
@overload
def expected_map(
    network: nn.Module, input_size: int | Sequence[int], layer: Layers, unit: Units,
    weights: WeightsName = "variance", gates: GatesName = "auto", images: Tensor | Iterable[Any] | None = None,
    *, channels: int | None = None, call: Runner | None = None,
) -> dict[str, list[InfluenceMap]]: ...  # fmt: skip
def expected_map(
    network: nn.Module,
    input_size: int | Sequence[int],
    layer: NamedLayer | Layers | None = None,
    unit: Unit | Units | None = None,
    weights: WeightsName = "variance",
    gates: GatesName = "auto",
    images: Tensor | Iterable[Any] | None = None,
    *,
    channels: int | None = None,
    call: Runner | None = None,
) -> Answer[InfluenceMap]:
    r"""Return the influence map that is expected of a network whose weights are independent and of mean zero.

    .. math:: values_{i,j} = \operatorname{mean}_c \sum_k E\left[(\partial y_{k,u} / \partial x_{c,i,j})^2\right]

    which is what :func:`erf.effective_receptive_field` measures with statistic mean_square and random signs, in the
    mean over draws of the weights. One backward pass gives it, in which each layer acts by the squares of its weights;
    where fixed filters (average pools, interpolation, padding by reflection) follow one another, the covariances of
    gradients at the distances that matter pass with it. Theory, in the docs, says for which networks this is exact.

    Args:
        network: Maps ``[N, channels, *input_size]`` to features; looked at in eval mode, left as it was found.
        input_size: Extent of each of the 1, 2 or 3 spatial axes, in pixels; one number is a square.
        layer: A module or its name; a list of these (the result is a dict by name); None is the network's output.
        unit: A (row, column) of the layer's grid, a list of them (the result is a list), or None for (H'//2, W'//2).
        weights: "variance": each layer's weights have its mean square as their variance, as after an initialization of
            equal variances; "squared": each has its own square, so this network's magnitudes with random signs. Batch
            norm and other factors act by their squares.
        gates: How nonlinearities act. "half": ReLU and its leaky kinds by the expected square of their slopes over
            symmetric inputs; "measured": all by their slopes on images, max pools by their choices, and the map is the
            mean over the images; "auto": "half" where that is exact, and else "measured".
        images: ``[N, C, *input_size]``, or batches of them, for "measured"; None is two images of normal noise.
        channels: Of the input; None takes them from where the network first reads its input.
        call: As for :func:`erf.theoretical_receptive_field`.

    Returns:
        An InfluenceMap with statistic mean_square and ``samples`` infinite; its ``diagnostics`` say which rules are
        approximations. The root of its values is the rms map.

    Raises:
        InvalidInput: An operator between the layer and the image has no rule, weights are used twice, no weights are
            there or some are not finite, or an argument does not fit the network; the message names the module.

    >>> import erf
    >>> from torch import nn
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
    >>> imap = erf.theory.expected_map(network, input_size=5)
    >>> (imap.values / imap.values.min()).round(6).tolist()[2]
    [3.0, 6.0, 9.0, 6.0, 3.0]
    """
    of_weights, of_gates = choice(WeightSquares, weights, "weights"), choice(Gates, gates, "gates")
    if channels is not None:
        require_whole(channels=channels)
    asked, size = request(network, layer, unit), image_size(input_size)
    with measuring(network, Mode.eval):
        looked_at = run_by(network, call)
        given = noise_images(looked_at, size, channels) if images is None else images
        source = " of noise" if images is None else ""
        sums: list[_Sum] = []
        for _, image in batches(looked_at, given, batch_size=1, first=0):
            if tuple(image.shape[2:]) != size:
                raise InvalidInput(f"images of {list(image.shape[2:])} pixels: allowed is input_size={list(size)}")
            if not sums:
                pair = torch.cat([image, image])
                _, fields = traced_fields(looked_at, size, asked.layers, asked.units, image.shape[1], pair)
                sums = [_Sum(name, each, of_gates, source) for name, each in zip(asked.layers, fields, strict=True)]
            tape = record(looked_at, image, RULES, partial(squares_of, of_weights), asked.layers)
            for each in sums:
                each.add(tape)
            if not any(each.is_measured for each in sums):
                break
    if not sums:
        raise InvalidInput("there is no image to look at")
    return asked.answer([each.maps() for each in sums])


class _Sum:
    """The squares of a layer's units, added up over images."""

    def __init__(self, layer: str | None, fields: Sequence[ReceptiveField], gates: Gates, source: str) -> None:
        self._layer = layer
        self._fields = fields
        self._gates = gates
        self._source = source
        self._squares: list[Any] = [0.0 for _ in fields]
        self._passes = 0
        self.is_measured: bool = False

    def add(self, tape: Tape) -> None:
        """Add the squares of one pass, if those of another image can differ, or it is the first."""
        path = path_to(tape, self._layer)
        self.is_measured = are_measured(path, self._gates)
        if self._passes and not self.is_measured:
            return
        self._passes += 1
        for number, of_unit in enumerate(self._fields):
            squares = squares_at_image(path, of_unit.index, expected_gates=not self.is_measured)
            self._squares[number] += squares.mean(0).cpu().numpy()
        images = "1 image" if self._passes == 1 else f"{self._passes} images"
        self._findings = findings(path, self.is_measured, f"{images}{self._source}")

    def maps(self) -> list[InfluenceMap]:
        """Return the map of each unit."""
        return [
            InfluenceMap(
                values=squares / self._passes,
                statistic=Statistic.mean_square,
                center=of_unit.center,
                trf_box=of_unit.box,
                samples=math.inf,
                findings=self._findings,
            )
            for squares, of_unit in zip(self._squares, self._fields, strict=True)
        ]
