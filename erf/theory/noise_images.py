"""Images of noise, on which a network runs where none are given."""

from __future__ import annotations

from torch import Tensor, nn

from erf.reachability.forward import likely_channels, noise
from erf.reachability.request import Unit


def noise_images(network: nn.Module, size: Unit, channels: int | None) -> Tensor:
    """Return two images of noise, always the same; without ``channels`` of those that the network reads."""
    return noise(network, likely_channels(network, size)[0] if channels is None else channels, size)
