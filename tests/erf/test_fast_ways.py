"""Each fast way to measure can be switched off, and all of them: the same maps come out."""

import numpy as np
import pytest
import torch
from torch import nn

from erf import effective_receptive_field, stack_moments
from erf.maps import backward_cone, cropping, effective_field, passes, prepared
from erf.networks import ConvStack
from erf.stacks import stack_influence


def plain_gradient(output, leaf, retain_graph):
    return torch.autograd.grad(output, leaf, retain_graph=retain_graph, allow_unused=True)[0]


OFF_OF_NETWORKS = {
    "crops": (cropping, "OVERHEAD", 10**12),  # no part of an image is worth a pass of its own
    "folding": (prepared, "folds", lambda *_: []),
    "cone": (passes, "gradient_in_cone", plain_gradient),
    "channels_last": (passes, "_is_faster_with_channels_last", lambda *_: False),
    "memory": (effective_field, "Remembered", prepared.Prepared),
}
OFF_OF_STACKS = {"both_ends": (stack_influence, "meeting_layer", lambda *_: 0)}


def one_by_one_and_all(ways):
    return [*([name] for name in ways), list(ways)]


def network():
    torch.manual_seed(0)
    layers = []
    for channels, stride, kernel in ((3, 2, 3), (8, 1, 1), (8, 2, 3), (8, 1, 3)):
        layers += [nn.Conv2d(channels, 8, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(8), nn.Tanh()]
    made = nn.Sequential(*layers)
    made(torch.randn(8, 3, 32, 32))  # running statistics other than 0 and 1
    return made.eval()


def maps(dtype):
    images = torch.randn(3, 3, 96, 80, generator=torch.Generator().manual_seed(1), dtype=dtype)
    with torch.random.fork_rng(devices=[]):
        made = network().to(dtype)
    asked = made, images, ["2", "8", "11"], [None, (1, 2)]
    effective_receptive_field(*asked)
    maps_again = effective_receptive_field(*asked)  # which may use what the first call found
    return [imap.values for by_unit in maps_again.values() for imap in by_unit]


@pytest.mark.parametrize("names", one_by_one_and_all(OFF_OF_NETWORKS), ids="-".join)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_networks(names, dtype, tolerance, monkeypatch):
    fast = maps(dtype)
    for name in names:
        monkeypatch.setattr(*OFF_OF_NETWORKS[name])
    for one, other in zip(fast, maps(dtype), strict=True):
        assert other.any()
        assert np.abs(one - other).max() <= tolerance * other.max()


@pytest.mark.parametrize("names", one_by_one_and_all(OFF_OF_STACKS), ids="-".join)
def test_stacks(names, monkeypatch):
    stack = ConvStack(depth=10)
    fast = stack_moments(stack, 4, dtype=torch.float64)
    for name in names:
        monkeypatch.setattr(*OFF_OF_STACKS[name])
    slow = stack_moments(stack, 4, dtype=torch.float64)
    assert slow.any((1, 2)).all()
    assert np.abs(fast - slow).max() <= 1e-12 * slow.max()


def ways_used(monkeypatch, watched):
    """Return a set that will hold each of these ways once a call of its function shows that it is used."""
    used = set()

    def watch(way, module, name, shows_it):
        own = getattr(module, name)

        def watching(*given):
            result = own(*given)
            if shows_it(result, *given):
                used.add(way)
            return result

        monkeypatch.setattr(module, name, watching)

    for way, function in watched.items():
        watch(way, *function)
    return used


def test_all_of_them_are_used_here(monkeypatch):
    """A switch of what is not used anyway would show nothing."""
    watched = {
        "crops": (prepared, "crops", lambda result, _, size, *__: any(c.box[0][1] < size[0] for c in result[1])),
        "folding": (prepared, "folds", lambda result, *_: result),
        "cone": (backward_cone, "input_gradient", lambda *_: True),
        "channels_last": (passes, "_is_faster_with_channels_last", lambda result, *_: result),
        "memory": (effective_field, "Remembered", lambda result, *_: result._answers),
        "both_ends": (stack_influence, "meeting_layer", lambda result, *_: result),
    }
    used = ways_used(monkeypatch, watched)
    maps(torch.float32)
    stack_moments(ConvStack(depth=10), 1)
    assert used == watched.keys() == {*OFF_OF_NETWORKS, *OFF_OF_STACKS}
