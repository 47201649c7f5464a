"""Maps compared with those of the whole image, and how much of it was measured."""

from contextlib import contextmanager
from math import prod

import numpy as np
import torch
from torch import nn

from erf import effective_receptive_field, theoretical_receptive_field
from tests.oracles.whole_image import whole_image_map

TOLERANCE = 1e-12


def images_of(*size, channels=2, count=2):
    return torch.randn(count, channels, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def made(network):
    """Return a network in float64 whose every parameter and running statistic is drawn."""
    random = torch.Generator().manual_seed(5)
    network = network.double()
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if tensor.is_floating_point():
            scale = 1.0 if tensor.ndim < 2 else (2 / tensor[0].numel()) ** 0.5
            drawn = torch.randn(tensor.shape, generator=random, dtype=torch.float64) * scale
            tensor.data = drawn.abs() + 0.5 if "running_var" in name else drawn
    return network.eval()


@contextmanager
def pixels_run(network):
    """Note how many pixels of one image each forward pass with data sees."""
    seen = []
    hook = network.register_forward_pre_hook(
        lambda _, given: None if given[0].is_meta else seen.append(prod(given[0].shape[2:]))
    )
    yield seen
    hook.remove()


def check(network, images, layer, units, mode="eval"):
    """Compare the maps of the units with plain gradients; return the share of the image that each one took."""
    size, shares = images.shape[2:], []
    fields = theoretical_receptive_field(network, size, layer, unit=units, channels=images.shape[1], mode=mode)
    for unit, field in zip(units, fields, strict=True):
        expected = whole_image_map(network, images, layer, field.index)
        with pixels_run(network) as seen:
            imap = effective_receptive_field(network, images, layer, unit, mode=mode)
        peak = expected.max() or 1
        assert imap.values.shape == size
        assert np.abs(imap.values * (imap.samples / len(images)) - expected).max() <= TOLERANCE * peak
        assert (imap.trf_box, imap.center, imap.origin) == (field.box, field.center, (0,) * len(size))
        shares.append(max(seen) / prod(size))
    return shares


def places(grid):
    """Return units in the middle, at corners, on an edge and next to one."""
    middle, last = [n // 2 for n in grid], [n - 1 for n in grid]
    return [tuple(place) for place in (middle, [0] * len(grid), last, [0, *middle[1:]], [*last[:-1], min(1, last[-1])])]


def chain(*layers):
    return lambda: nn.Sequential(*layers)


def same(inputs=2, outputs=2, **options):
    return nn.Conv2d(inputs, outputs, 3, padding=1, **options)
