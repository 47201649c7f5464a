r"""Exact influence maps of linear stacks (sections 2.1-2.3 of the paper).

The gradient with respect to the input is a sum over paths, one tap of each layer's kernel a step. For fixed positive
kernels each path weighs the product of its taps; for independent zero-mean weights the expected square of the gradient
is the sum of the products of the taps' variances. Either way the map is the distribution of

.. math:: \sum_l jump_l\, dilation_l\, m_l, \quad m_l \sim w_l

with w_l the layer's profile (weights, or weight variances, of sum 1) and jump_l the product of the strides below: an
n-fold convolution. It is computed in float64 by sums of positive products only, so no digit cancels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

import numpy as np
from numpy.typing import ArrayLike

from erf.arguments import per_axis, real_array, require_real, require_type
from erf.arguments.device import enough_memory
from erf.errors import InvalidInput
from erf.maps.influence_map import InfluenceMap
from erf.maps.statistic import Statistic, StatisticName, choice
from erf.theory.nfold_convolution import Taps, box_size, convolve


@dataclass(frozen=True, eq=False, init=False)
class ConvLayer:
    """A linear convolution of a stack.

    Attributes:
        kernel_size: As in torch, one entry per axis; an int stands for two equal axes, or for those of ``profile``.
        stride: Likewise.
        dilation: Likewise.
        profile: ``[*kernel_size]``, the kernel's weights (for signed_mean: fixed positive kernels) or its weights'
            variances (for mean_square and rms), brought to sum 1. None is uniform.
    """

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    profile: np.ndarray

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        dilation: int | tuple[int, ...] = 1,
        profile: ArrayLike | None = None,
    ):
        profile = None if profile is None else real_array(profile, "profile")
        axes = 2 if profile is None else profile.ndim
        if isinstance(kernel_size, tuple):
            axes = len(kernel_size)
        sides = per_axis(kernel_size, axes, "kernel_size")
        object.__setattr__(self, "kernel_size", sides)
        object.__setattr__(self, "stride", per_axis(stride, axes, "stride"))
        object.__setattr__(self, "dilation", per_axis(dilation, axes, "dilation"))
        with enough_memory(f"a kernel of {sides}"):
            object.__setattr__(self, "profile", _normalized(profile, sides))


@dataclass(frozen=True, eq=False)
class Residual:
    """A residual block y = x + gain * branch(x) of a stack; the branch keeps the resolution.

    Attributes:
        branch: Its layers, first layer first; each weight variance sums to 1, so ``gain`` scales the whole branch.
        gain: Factor of the branch.
    """

    branch: Sequence[ConvLayer]
    gain: float = 1.0
    stride: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        _check_stack(self.branch, ConvLayer)
        if any(s != 1 for layer in self.branch for s in layer.stride):
            raise InvalidInput("a Residual needs a branch of at least one layer, all of stride 1")
        require_real(lambda gain: math.isfinite(gain * gain), "finite numbers with a finite square", gain=self.gain)
        sizes = box_size(_taps(self.branch, signed=False))
        if any(size % 2 == 0 for size in sizes):
            raise InvalidInput(f"a Residual's branch needs an odd TRF to add up with the skip, not {sizes}")
        object.__setattr__(self, "stride", (1,) * len(sizes))


Block = ConvLayer | Residual


def influence_map(layers: Sequence[Block], statistic: StatisticName = "mean_square") -> InfluenceMap:
    r"""Return the exact influence map of a linear stack on an unbounded image.

    Args:
        layers: First layer first, each a ConvLayer or a Residual.
        statistic: "signed_mean": fixed positive kernels (all-equal 3x3 weights give extended binomial coefficients);
            "mean_square": independent zero-mean weights, E[g^2]; "rms": its root.

    Returns:
        The map on the TRF's box, ``samples`` infinite; mean_square and signed_mean sum to 1. Values above 1e-12 of the
        peak have a relative error below 1e-9; smaller ones may be 0.

    Raises:
        InvalidInput: There is no layer, the axes differ, or the statistic has no exact map (mean_abs: see
            :func:`mean_abs_limit`).

    >>> import erf
    >>> imap = erf.theory.influence_map([erf.ConvLayer((2,))] * 3, "signed_mean")
    >>> (imap.values * 8).tolist()
    [1.0, 3.0, 3.0, 1.0]
    """
    kind = choice(Statistic, statistic, "statistic")
    if kind is Statistic.mean_abs:
        raise InvalidInput("mean_abs has no exact map at finite width; mean_abs_limit gives that of wide layers")
    values = convolve(_taps(layers, kind is Statistic.signed_mean))
    return InfluenceMap(
        values=kind.from_mean_moment(values),
        statistic=kind,
        center=tuple((side - 1) / 2 for side in values.shape),
        trf_box=tuple((0, side) for side in values.shape),
        samples=math.inf,
    )


def mean_abs_limit(layers: Sequence[Block]) -> InfluenceMap:
    r"""Return the mean_abs map that wide random layers tend to.

    The gradient at a pixel is a sum over many paths, so it tends to a normal variable as the layers get wider, and

    .. math:: E|g| = \sqrt{2 / \pi}\, \sqrt{E[g^2]}.

    At finite width a pixel with few paths (near the TRF's corners, and everywhere in deep narrow nets) has heavier
    tails and a smaller E|g|, so a measured mean_abs map is somewhat narrower than this one.
    """
    rms = influence_map(layers, Statistic.rms)
    return replace(rms, values=math.sqrt(2 / math.pi) * rms.values, statistic=Statistic.mean_abs)


def variance(layers: Sequence[Block], statistic: StatisticName = "mean_square") -> tuple[float, ...]:
    r"""Return the per-axis variance of the exact map in closed form, in square input pixels.

    .. math:: \sum_l jump_l^2\, dilation_l^2 \operatorname{Var}[m_l]

    which is n (k^2 - 1) / 12 for n uniform layers of kernel size k and stride 1.

    Raises:
        InvalidInput: The statistic is neither mean_square nor signed_mean (no closed form).
    """
    kind = choice(Statistic, statistic, "statistic")
    if kind not in (Statistic.mean_square, Statistic.signed_mean):
        raise InvalidInput(f"the variance of a {kind} map has no closed form; allowed: mean_square, signed_mean")
    _check_stack(layers)
    total = np.zeros(len(layers[0].stride))
    for block, jump in zip(layers, _jumps(layers), strict=True):
        total += np.square(jump) * _mean_and_variance(block, kind is Statistic.signed_mean)[1]
    return tuple(float(v) for v in total)


def gaussian_sigma(layers: Sequence[Block], statistic: StatisticName) -> tuple[float, ...]:
    """Return, per axis, the standard deviation of the Gaussian that the map tends to with depth, in input pixels.

    It is the closed-form one for mean_square and signed_mean; the root of a Gaussian of variance v is one of variance
    2v, which is the limit for rms and, with wide layers, for mean_abs.
    """
    kind = choice(Statistic, statistic, "statistic")
    if kind in (Statistic.rms, Statistic.mean_abs):
        return tuple(math.sqrt(2 * v) for v in variance(layers, Statistic.mean_square))
    return tuple(math.sqrt(v) for v in variance(layers, kind))


def _taps(layers: Sequence[Block], signed: bool) -> list[Taps]:
    _check_stack(layers)
    return [_block_taps(block, jump, signed) for block, jump in zip(layers, _jumps(layers), strict=True)]


def _check_stack(layers: Sequence[Block], *kinds: type) -> None:
    require_type(Sequence, layers=layers)
    if not layers:
        raise InvalidInput("a stack needs at least one layer")
    require_type(*(kinds or (ConvLayer, Residual)), **{f"layers[{i}]": layer for i, layer in enumerate(layers)})
    if len({len(layer.stride) for layer in layers}) > 1:
        raise InvalidInput("all layers of a stack must have the same number of spatial axes")


def _block_taps(block: Block, jump: tuple[int, ...], signed: bool) -> Taps:
    if isinstance(block, ConvLayer):
        return Taps(block.profile, tuple(j * d for j, d in zip(jump, block.dilation, strict=True)))
    share = _branch_share(block, signed)
    shares = share * convolve(_taps(block.branch, signed))
    shares[tuple(side // 2 for side in shares.shape)] += 1 - share
    return Taps(shares, jump)


def _branch_share(block: Residual, signed: bool) -> float:
    if signed and block.gain < 0:
        raise InvalidInput(f"gain={block.gain}: a signed_mean map is that of positive kernels, so of gains from 0")
    weight = block.gain if signed else block.gain**2
    return weight / (1 + weight)


def _jumps(layers: Sequence[Block]) -> list[tuple[int, ...]]:
    below = [(1,) * len(layers[0].stride), *(layer.stride for layer in layers[:-1])]
    return list(accumulate(below, lambda jump, stride: tuple(j * s for j, s in zip(jump, stride, strict=True))))


def _mean_and_variance(block: Block, signed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return, per axis, mean (from the box's center) and variance of a block's steps, in pixels of its own input."""
    if isinstance(block, ConvLayer):
        return _tap_moments(block)
    parts = [_mean_and_variance(layer, signed) for layer in block.branch]
    mean, spread = (np.sum([part[i] for part in parts], axis=0) for i in (0, 1))
    share = _branch_share(block, signed)
    return share * mean, share * spread + share * (1 - share) * mean**2


def _tap_moments(layer: ConvLayer) -> tuple[np.ndarray, np.ndarray]:
    positions = [d * (np.arange(k) - (k - 1) / 2) for k, d in zip(layer.kernel_size, layer.dilation, strict=True)]
    grid = np.stack(np.meshgrid(*positions, indexing="ij"))
    axes = tuple(range(1, grid.ndim))
    mean = (layer.profile * grid).sum(axes)
    return mean, (layer.profile * grid**2).sum(axes) - mean**2


def _normalized(profile: np.ndarray | None, kernel_size: tuple[int, ...]) -> np.ndarray:
    weights = np.ones(kernel_size) if profile is None else profile.astype(np.float64)
    if not weights.ndim or weights.shape != kernel_size or (weights < 0).any() or not 0 < weights.sum() < math.inf:
        raise InvalidInput(
            f"a profile of kernel size {kernel_size} must have that shape, no negative entry and a positive, finite sum"
        )
    return weights / weights.sum()
