"""A small network, its images, and the Jacobians that maps of them are compared with."""

import numpy as np
import torch
from torch import nn
from torch.autograd.functional import jacobian


def small_network():
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 3, 3, stride=2, padding=1), nn.Softplus()
    ).double()


def some_images(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


def jacobians(network, images, unit):
    """Return d y[n, k, unit] / d x[n] for each image and output channel: [N, K, C, H, W]."""
    return torch.stack([jacobian(lambda x: network(x[None])[0][(slice(None), *unit)], image) for image in images])


def difference(a, b):
    return np.abs(np.asarray(a) - np.asarray(b)).max() / np.abs(np.asarray(b)).max()
