r"""The expected map's standard deviation in closed form: three numbers a layer, on an unbounded image.

The expected squares are a sum over paths, each of which ends at one pixel. An operator moves the end of a path by one
of its taps, so that it takes one step to bring the paths' mass and the first two moments of their ends from its output
to its input, where position q of the output reads s q + t with weight v_t:

.. math:: m_x = m_y \sum_t v_t, \quad f_x = \sum_t v_t (s f_y + t m_y), \quad
          q_x = \sum_t v_t (s^2 q_y + 2 s t f_y + t^2 m_y)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import overload

import numpy as np
import torch
from torch import Tensor, nn

from erf.arguments import require_values, require_whole
from erf.errors import InvalidInput
from erf.maps.passes import measuring
from erf.maps.statistic import choice
from erf.reachability.as_written import run_by
from erf.reachability.request import Answer, Layers, Mode, NamedLayer, Runner, image_size, request
from erf.theory.backward_links import Arrangement, ExpectedGate, FixedFilter, Link, Scale, Unchanged
from erf.theory.backward_squares import Path, expected, path_to
from erf.theory.gates import Gates, GatesName, are_measured, findings
from erf.theory.noise_images import noise_images
from erf.theory.operator_rules import RULES
from erf.theory.tape import record
from erf.theory.weight_links import Weights
from erf.theory.weight_squares import WeightsName, WeightSquares, squares_of


@overload
def expected_sigma(
    network: nn.Module, input_size: int | Sequence[int], layer: NamedLayer | None = None,
    weights: WeightsName = "variance", gates: GatesName = "auto",
    *, channels: int | None = None, call: Runner | None = None,
) -> tuple[float, ...]: ...  # fmt: skip
@overload
def expected_sigma(
    network: nn.Module, input_size: int | Sequence[int], layer: Layers,
    weights: WeightsName = "variance", gates: GatesName = "auto",
    *, channels: int | None = None, call: Runner | None = None,
) -> dict[str, tuple[float, ...]]: ...  # fmt: skip
def expected_sigma(
    network: nn.Module,
    input_size: int | Sequence[int],
    layer: NamedLayer | Layers | None = None,
    weights: WeightsName = "variance",
    gates: GatesName = "auto",
    *,
    channels: int | None = None,
    call: Runner | None = None,
) -> Answer[tuple[float, ...]]:
    r"""Return, per axis, the standard deviation of the expected map on an unbounded image, in input pixels.

    .. math:: \sigma^2 = \frac{\sum_p p^2\, E[g_p^2]}{\sum_p E[g_p^2]} - \left(\frac{\sum_p p\, E[g_p^2]}
              {\sum_p E[g_p^2]}\right)^2

    It is that of :func:`expected_map` where no border cuts the map, from three numbers a layer.

    Args:
        network: As for :func:`expected_map`.
        input_size: Of an image on which the network runs; sigma does not depend on it.
        layer: A module or its name; a list of these (the result is a dict by name); None is the network's output.
        weights: As for :func:`expected_map`.
        gates: "auto" gives what is exact and refuses the rest; "half" takes the expectation over symmetric inputs for
            all of ReLU and its leaky kinds, and a choice of each position equally often for max pools.
        channels: As for :func:`expected_map`.
        call: As for :func:`erf.theoretical_receptive_field`.

    Raises:
        InvalidInput: There is no closed form: something on the way does not act on all positions alike, as
            interpolation, or joins them all, or several fixed filters follow one another; "auto" meets nonlinearities
            for which "half" is not exact; or as for :func:`expected_map`.

    >>> import erf
    >>> from torch import nn
    >>> network = nn.Sequential(*[nn.Conv2d(4, 4, 3) for _ in range(6)])
    >>> [round(sigma, 6) for sigma in erf.theory.expected_sigma(network, 32)]
    [2.0, 2.0]
    """
    kind, of_gates = choice(WeightSquares, weights, "weights"), choice(Gates, gates, "gates")
    if channels is not None:
        require_whole(channels=channels)
    if of_gates is Gates.measured:
        raise InvalidInput("gates='measured': sigma has a closed form for 'auto' and 'half' only")
    asked, size = request(network, layer), image_size(input_size)
    with measuring(network, Mode.eval):
        require_values(network=network)
        looked_at = run_by(network, call)
        image = noise_images(looked_at, size, channels)[:1]
        tape = record(looked_at, image, RULES, partial(squares_of, kind), asked.layers)
        sigmas = [sigma_of(path_to(tape, name), of_gates) for name in asked.layers]
    return asked.answer([[sigma] for sigma in sigmas])


def sigma_of(path: Path, gates: Gates) -> tuple[float, ...]:
    """Return, per axis, the standard deviation of the paths' ends."""
    are_measured(path, Gates.half)  # refuses what has no expectation
    problems = findings(path, measured=False) if gates is Gates.auto else ()
    if problems:
        raise InvalidInput(f"sigma has no exact closed form, but an approximate one by gates='half': {problems[0]}")
    axes = path.tape.axes
    mass, *moments = _moments_at_image(path).sum(1).tolist()
    if not mass:
        raise InvalidInput("all gradients at the image are 0, as all weights or factors of a layer on the way are")
    means, seconds = np.array(moments[:axes]) / mass, np.array(moments[axes:]) / mass
    return tuple(float(sigma) for sigma in np.sqrt(seconds - means**2))


def _moments_at_image(path: Path) -> Tensor:
    """Return ``[1 + 2 axes, C]``: per channel the paths' mass, and per axis the first and second moments of their ends.

    A channel dimension of 1 stands for channels that are all alike.
    """
    nodes, axes = path.tape.nodes, path.tape.axes
    if len(nodes[path.output].shape) != 1 + axes:
        raise InvalidInput("no closed form: the layer has no rows and columns behind its channels")
    seed = torch.zeros(1 + 2 * axes, nodes[path.output].shape[0], dtype=torch.float64, device=path.tape.device)
    seed[0] = 1
    waiting = {path.output: seed}
    for y in sorted(path.lags, reverse=True)[:-1]:
        moments = waiting.pop(y)
        if any(lags != (0,) for lags in path.lags[y]):
            raise InvalidInput(f"{nodes[y].operator}: no closed form where two fixed filters follow one another")
        for x, link in path.links_of(y):
            made = _backward(expected(link), moments, axes, nodes[y].operator)
            waiting[x] = waiting[x] + made if x in waiting else made
    return waiting[0]


def _backward(link: Link, moments: Tensor, axes: int, operator: str) -> Tensor:
    if isinstance(link, Unchanged):
        return moments
    if isinstance(link, ExpectedGate):
        return moments * link.squared
    if isinstance(link, Scale) and all(side == 1 for side in link.factor.shape[1:]):
        return moments * link.factor.flatten() ** 2
    if isinstance(link, Arrangement) and len(link.shape) == 1 + axes:
        return link.undo(moments.expand(-1, link.shape[0]).reshape(-1, link.shape[0], *[1] * axes)).flatten(1)
    if isinstance(link, FixedFilter) and all(line.window for line in link.lines):
        return _through_filter(link, moments)
    if (
        isinstance(link, Weights)
        and len(link.stride) == axes
        and not (link.transposed and any(side > 1 for side in link.stride))
    ):
        return _through_weights(link, moments)
    raise InvalidInput(f"{operator} has no closed form: it does not act on all positions alike")


def _through_filter(link: FixedFilter, moments: Tensor) -> Tensor:
    windows = [line.window for line in link.lines if line.window]
    profiles = [window.weights**2 for window in windows]
    taps = [window.offset + np.arange(len(window.weights)) for window in windows]
    return _step(moments, [window.stride for window in windows], taps, profiles)


def _through_weights(link: Weights, moments: Tensor) -> Tensor:
    sign = -1 if link.transposed else 1
    sides = list(zip(link.shape[2:], link.dilation, link.padding, strict=True))
    taps = [sign * (d * np.arange(k) - p) for k, d, p in sides]
    squares = link.squares()
    if squares.ndim:
        return _of_each(link, moments, squares, taps)
    groups, each = min(link.groups, moments.shape[1]), link.outputs // link.groups
    sums = each * moments if moments.shape[1] == 1 else moments.unflatten(1, (groups, each)).sum(2)
    made = squares * _step(sums, link.stride, taps, [np.ones(len(line)) for line in taps])
    return made if groups == 1 else made.repeat_interleave(link.input_shape[1] // groups, 1)


def _of_each(link: Weights, moments: Tensor, squares: Tensor, taps: Sequence[np.ndarray]) -> Tensor:
    """Return the moments through weights whose squares differ: each tap is a step of its own."""
    inputs, groups = link.input_shape[1], link.groups
    full = moments.expand(-1, link.outputs).unflatten(1, (groups, -1))
    sides = (inputs // groups, full.shape[2]) if link.transposed else (full.shape[2], inputs // groups)
    # All taps in one product: those of one tap lie apart in memory.
    product = "mgk,gckt->mgct" if link.transposed else "mgk,gkct->mgct"
    of_taps = torch.einsum(product, full, squares.reshape(groups, *sides, -1)).flatten(1, 2).unbind(2)
    made = torch.zeros_like(of_taps[0])
    for tap, of_tap in zip(np.ndindex(*link.shape[2:]), of_taps, strict=True):
        one = [line[[index]] for line, index in zip(taps, tap, strict=True)]
        made += _step(of_tap, link.stride, one, [np.ones(1)] * len(one))
    return made


def _step(
    moments: Tensor, strides: Sequence[int], taps: Sequence[np.ndarray], profiles: Sequence[np.ndarray]
) -> Tensor:
    """Return the moments when position q of each axis becomes stride * q + tap, with the profile's weight."""
    axes = len(strides)
    matrix = np.zeros((1 + 2 * axes, 1 + 2 * axes))
    matrix[0, 0] = 1
    for axis, (stride, tap, profile) in enumerate(zip(strides, taps, profiles, strict=True)):
        mean, second = (profile @ tap**power / profile.sum() for power in (1, 2))
        first_row, second_row = 1 + axis, 1 + axes + axis
        matrix[first_row, [0, first_row]] = mean, stride
        matrix[second_row, [0, first_row, second_row]] = second, 2 * stride * mean, stride**2
    matrix *= np.prod([profile.sum() for profile in profiles])
    return torch.from_numpy(matrix).to(moments.device) @ moments
