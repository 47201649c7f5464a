"""Networks of any kind, drawn anew for each run and measured at one unit (sections 2.2 to 2.5 of the paper).

Plain stacks have a faster way of their own, :func:`erf.stack_influence`; this one gives the same maps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from erf import InfluenceMap, InvalidInput, ReceptiveField, theoretical_receptive_field, theory
from erf.arguments.device import resolve_device
from erf.maps.aggregation import Aggregation, check_aggregation, output_direction
from erf.maps.field_check import check_field, rounding_of
from erf.maps.influence import influence_at
from erf.maps.sampled_map import map_of_samples
from erf.maps.statistic import Statistic
from erf.seeds import INPUTS, WEIGHTS, generator
from erf.theory.linear_stacks import Block
from experiments.stacks.paper_stacks import StackConfig

Build = Callable[[torch.Generator], nn.Module]


@dataclass(frozen=True)
class Draws:
    """Runs of one kind of network, each with weights and an input of its own.

    Attributes:
        moments: Each run's |g|, g^2 or g, averaged over input channels, of the whole image: ``[R, H, W]``.
        field: The theoretical receptive field of the measured unit.
        statistic: Which moment it is.
        aggregation: Of output channels.
    """

    moments: np.ndarray
    field: ReceptiveField
    statistic: Statistic
    aggregation: Aggregation

    def imap(self) -> InfluenceMap:
        """Return the influence map over the runs."""
        return map_of_samples(self.moments, self.statistic, self.field.box, self.aggregation, center=self.field.center)


def measure_draws(
    config: StackConfig, build: Build, side: int, runs: int, seed: int, dtype: torch.dtype = torch.float32
) -> Draws:
    """Measure the middle unit of ``runs`` networks on images of ``side`` x ``side`` pixels.

    The weights and input of run r depend only on (seed, r), not on the device or dtype.

    Args:
        config: Statistic, aggregation, noise, input channels, channels of the output, and device.
        build: Returns a network, whose output is the measured layer, with weights drawn from a generator.
        side: Of the images. Zero padding changes the map of a unit whose field leaves the image.
        runs: How many networks.
        seed: Of all of them.
        dtype: In which precision to compute; weights and inputs are drawn in float32.

    Raises:
        InvalidInput: A gradient is not finite; the message names the run.
    """
    check_aggregation(config.aggregation, config.channels, config.statistic)
    device = resolve_device(config.device)
    field = theoretical_receptive_field(
        build(generator(seed, 0, WEIGHTS)), (side, side), channels=config.input_channels
    )
    moments = np.empty((runs, side, side))
    for run in range(runs):
        network = build(generator(seed, run, WEIGHTS)).eval().to(device, dtype)
        image = config.noise.draw((1, config.input_channels, side, side), generator(seed, run, INPUTS))
        direction = output_direction(config.aggregation, config.channels, seed, run)
        g = influence_at(network, image.to(device, dtype), field.index, direction)
        if not g.isfinite().all():
            raise InvalidInput(f"run {run}: the gradient is not finite; choose an init that keeps the variance")
        moments[run] = config.statistic.moment(g.double()).mean((0, 1)).cpu().numpy()
        check_field(network, field, moments[run], config.input_channels, rounding_of(g))
    return Draws(moments, field, config.statistic, config.aggregation)


def exact_map(layers: Sequence[Block], statistic: Statistic) -> InfluenceMap:
    """Return the exact map that runs of such a linear network tend to; for mean_abs, that of wide layers."""
    if statistic is Statistic.mean_abs:
        return theory.mean_abs_limit(layers)
    return theory.influence_map(layers, statistic)
