r"""Convolutions of few connections over a larger area, and stacks of them (section 4 of the paper).

Such a layer reads its input at T positions u_t about the unit, with weights W_t of their own:

.. math:: y(p) = \sum_t W_t\, x(p + u_t)

Between pixels x is interpolated bilinearly, as by deformable convolutions (Dai et al. 2017, arXiv 1703.06211).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from erf.arguments import require_type, require_whole, shown
from erf.arguments.device import enough_memory
from erf.errors import InvalidInput
from erf.inits import Init, fill_
from erf.maps.influence_map import InfluenceMap
from erf.maps.statistic import Statistic, set_choices
from erf.networks.conv_stack import ConvStack
from erf.theory.linear_stacks import ConvLayer, influence_map


class SparseConv2d(nn.Module):
    """A convolution without bias whose kernel has weights at given positions only; the positions do not train.

    Its kernel is laid out on the whole area, so the theoretical field is the area's, whichever pixels are read.

    Args:
        channels_in: Of the input.
        channels_out: Of the output.
        positions: ``[T, 2]``, row and column in pixels from the unit, fractions allowed, within the area.
        area: Side of the square about the unit in which the positions lie; odd.
        padding: Zeros around the input.
        init: Of the weights ``[C_out, C_in, T]``, whose fan-in is ``C_in * T``.
        generator: Of the weights; None is torch's global one.

    Raises:
        InvalidInput: ``area`` is even, or a position lies outside of it.
    """

    taps: Tensor

    def __init__(
        self, channels_in: int, channels_out: int, positions: Tensor, area: int, padding: int = 0,
        init: Init = Init.he_normal, generator: torch.Generator | None = None,
    ):  # fmt: skip
        super().__init__()
        require_whole(channels_in=channels_in, channels_out=channels_out, area=area)
        require_whole(0, padding=padding)
        require_type(Tensor, positions=positions)
        if positions.shape[1:] != (2,) or not positions.is_floating_point() or not positions.isfinite().all():
            raise InvalidInput(f"positions={shown(positions)}: allowed are finite numbers [T, 2], rows and columns")
        if area % 2 == 0 or (positions.abs() > area // 2).any():
            raise InvalidInput(
                f"area={area}: allowed are odd sides that hold all positions, up to {positions.abs().max()}"
            )
        self.padding = padding
        with enough_memory(f"a convolution from {channels_in} to {channels_out} channels, area {area}"):
            weight, taps = torch.empty(channels_out, channels_in, len(positions), 1), _interpolation(positions, area)
        self.weight: nn.Parameter = nn.Parameter(fill_(weight, init, generator).squeeze(-1))
        self.register_buffer("taps", taps)

    def kernel(self) -> Tensor:
        """Return the kernel on the whole area, ``[C_out, C_in, area, area]``."""
        return torch.einsum("oct,tij->ocij", self.weight, self.taps)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[N, C_out, H', W']`` of ``x [N, C_in, H, W]``."""
        return F.conv2d(x, self.kernel(), padding=self.padding)


def _interpolation(positions: Tensor, area: int) -> Tensor:
    """Return the share of each pixel of the area in what is read at each position, ``[T, area, area]``."""
    pixels = torch.arange(area) - area // 2
    shares = (1 - (positions[:, :, None] - pixels).abs()).clamp(min=0)
    return torch.einsum("ti,tj->tij", shares[:, 0], shares[:, 1])


class Connections(StrEnum):
    """Where a unit's connections lie.

    ``grid``: evenly spaced over the area, as those of a dilated convolution. ``scattered``: on different pixels
    of the area, each set of them as likely as any other. ``deformable``: the positions of a plain kernel, each moved
    by an offset uniform in rows and columns that may take the outermost to the area's border.
    """

    grid = "grid"
    scattered = "scattered"
    deformable = "deformable"


@dataclass(frozen=True)
class SparseStack(ConvStack):
    """A stack of convolutions with ``side * side`` connections of each unit to each channel, in a square area.

    Every layer draws positions of its own, for all of its channels; a run's positions are drawn with its weights. They
    do not depend on the input. (Deformable convolutions predict their offsets, which are all 0 at first: a plain
    kernel. Here they start with offsets.) Predictions are :meth:`exact_map`'s; ``theory`` is that of full kernels over
    the area, which have the same field.

    Attributes:
        kernel_size: Side of the area, in pixels; odd.
        side: Connections of a unit along each axis of the plain kernel; odd.
        connections: Where they lie.
    """

    side: int = 3
    connections: Connections = Connections.grid

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(side=self.side)
        set_choices(self, connections=Connections)
        if not 3 <= self.side <= self.kernel_size or self.side % 2 == 0 or self.kernel_size % 2 == 0:
            raise InvalidInput(f"side={self.side}: allowed are odd numbers from 3 to the area's side, also odd")
        if self.connections is Connections.grid and (self.kernel_size - 1) % (self.side - 1):
            raise InvalidInput(f"side={self.side} connections do not lie evenly in an area of side {self.kernel_size}")

    def draw_layers(self, generator: torch.Generator) -> list[SparseConv2d]:
        """Return one run's layers, first layer first: positions and weights."""
        widths = [self.input_channels] + [self.channels] * self.depth
        return [
            SparseConv2d(c_in, c_out, self._positions(generator), self.kernel_size, 0, self.init, generator)
            for c_in, c_out in pairwise(widths)
        ]

    def draw_weights_of_runs(self, generators: Sequence[torch.Generator]) -> list[Tensor]:
        """Return the kernels of each run's layers on the whole area."""
        drawn = [[layer.kernel().detach() for layer in self.draw_layers(generator)] for generator in generators]
        return [torch.stack(layer) for layer in zip(*drawn, strict=True)]

    def _positions(self, generator: torch.Generator) -> Tensor:
        half = self.kernel_size // 2
        if self.connections is Connections.scattered:
            places = torch.randperm(self.kernel_size**2, generator=generator)[: self.side**2]
            return torch.stack([places // self.kernel_size - half, places % self.kernel_size - half], 1).float()
        reach = half if self.connections is Connections.grid else self.side // 2
        line = torch.linspace(-reach, reach, self.side)
        positions = torch.cartesian_prod(line, line)
        if self.connections is Connections.deformable:
            positions += (torch.rand(positions.shape, generator=generator) * 2 - 1) * (half - reach)
        return positions

    def exact_map(self) -> InfluenceMap:
        r"""Return the exact mean_square map of the linear stack over draws of positions and weights, of sum 1.

        With paths of one position a layer and b_u(q) the share of pixel q in what is read at u,

        .. math:: E[g(p)^2] \propto E\left[\left((b_{u_1} * \dots * b_{u_n})(p)\right)^2\right]
                  = (K * \dots * K)(p, p), \quad K(q, q') = E[b_u(q)\, b_u(q')],

        because the weights of different paths are uncorrelated. Rows and columns of a position are independent, so the
        map is the product of such diagonals, one for each axis.
        """
        pairs = ConvLayer(self.kernel_size, profile=self._shared_reading())
        line = np.diag(influence_map([pairs] * self.depth, Statistic.mean_square).values)
        values = np.outer(line, line)
        layers = [ConvLayer(self.kernel_size)] * self.depth
        plain = influence_map(layers, Statistic.mean_square)
        return InfluenceMap(values / values.sum(), Statistic.mean_square, plain.center, plain.trf_box, plain.samples)

    @staticmethod
    def exact_map_of(layers: Sequence[SparseConv2d]) -> InfluenceMap:
        """Return the exact mean_square map of a linear stack over draws of the weights, at these layers' positions.

        Raises:
            InvalidInput: A position is not a whole number of pixels: weights then reach several pixels, and E[g^2] is
                no convolution of their variances.
        """
        for layer in layers:
            if not torch.equal(layer.taps.square(), layer.taps):
                raise InvalidInput("positions between pixels have no exact map of this form; allowed: whole pixels")
        profiles = [layer.taps.sum(0).numpy() for layer in layers]
        return influence_map([ConvLayer(p.shape, profile=p) for p in profiles], Statistic.mean_square)

    def _shared_reading(self) -> np.ndarray:
        """Return K along one axis, ``[kernel_size, kernel_size]``, up to a factor."""
        if self.connections is Connections.scattered:
            return np.eye(self.kernel_size)
        if self.connections is Connections.grid:
            step = (self.kernel_size - 1) // (self.side - 1)
            return np.diag((np.arange(self.kernel_size) % step == 0).astype(float))
        return self._deformable_reading()

    def _deformable_reading(self) -> np.ndarray:
        """Return K of positions that are uniform between whole pixels: 1/3 and 1/6 are means of f^2 and f (1 - f)."""
        shared = np.zeros((self.kernel_size,) * 2)
        moves = self.kernel_size - self.side
        for first in range(self.side):
            for pixel in range(first, first + moves):
                shared[pixel : pixel + 2, pixel : pixel + 2] += [[1 / 3, 1 / 6], [1 / 6, 1 / 3]]
        return shared if moves else np.eye(self.kernel_size)
