"""A measurement small enough for several processes; its functions can be sent to them."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import TensorDataset

from erf.maps.sharding import sharded_receptive_field
from tests.erf.toy_training import in_two_processes

LAYERS, UNITS, COUNT = ["1", "2"], [(2, 3), (1, 1)], 7
SETTINGS = {"statistic": "rms", "seed": 3}


def network():
    generator = torch.Generator().manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2, padding=1))
    for parameter in layers.parameters():
        nn.init.normal_(parameter, generator=generator)
    with torch.no_grad():
        layers[0].weight.abs_()
    return layers.double()


def images(count=COUNT):
    drawn = torch.randn(count, 2, 12, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    drawn[2:3] = -100  # the first convolution's weights are positive: all gates are closed, the image is skipped
    return drawn


def measure(fabric, count=COUNT):
    """Return the maps of all units, of a tensor of images and, which must be the same, of a data set."""
    data = TensorDataset(images(count), torch.zeros(count))
    maps, again = (
        sharded_receptive_field(fabric, network(), given, LAYERS, UNITS, batch_size=2, **SETTINGS)
        for given in (images(count), data)
    )
    assert all(
        np.array_equal(a.values, b.values) for name in maps for a, b in zip(maps[name], again[name], strict=True)
    )
    return maps


def train_and_measure(fabric, folder):
    """Do both in processes that are there, as they take seconds to begin."""
    return in_two_processes(fabric, folder), measure(fabric)
