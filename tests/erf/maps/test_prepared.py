"""What a network's maps need is found once; maps of many groups are those of single calls, bit for bit."""

import numpy as np
import pytest
import torch
from torch import nn

from erf import InvalidInput, effective_receptive_field
from erf.maps import prepared as preparing
from erf.maps.measured_maps import measured_maps
from erf.maps.prepared import Prepared
from tests.erf.hard_cases import Forward


def network():
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Tanh(), nn.Conv2d(4, 4, 3, stride=2)
    return nn.Sequential(*layers).eval()


def images(side=96, seed=1):
    return torch.randn(2, 1, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def passes(monkeypatch):
    """Note the image size of each time that parts are looked for."""
    sizes = []

    def noted(network, size, *others):
        sizes.append(tuple(size))
        return crops(network, size, *others)

    crops = preparing.crops
    monkeypatch.setattr(preparing, "crops", noted)
    return sizes


def test_groups_share_what_is_found(passes):
    made, settings = network(), {"layer": ["1", "3"], "unit": [(3, 4), (0, 9)]}
    ready = Prepared(made, **settings)
    for seed in (1, 2, 3):
        first = 2 * seed
        group = measured_maps(ready, images(seed=seed), "rms", seed=5, first_sample=first)
        alone = effective_receptive_field(
            made, images(seed=seed), **settings, statistic="rms", seed=5, first_sample=first
        )
        for name in settings["layer"]:
            for one, other in zip(group[name], alone[name], strict=True):
                np.testing.assert_array_equal(one.values, other.values)
                assert (one.center, one.trf_box, one.diagnostics) == (other.center, other.trf_box, other.diagnostics)
    assert passes == [(96, 96)] * 2  # one for all groups, and one for all single calls


def test_weights_may_change_and_sizes_are_told_apart(passes):
    made = network()
    ready = Prepared(made)
    for side, scale in ((96, 1.0), (96, 3.0), (40, 2.0), (96, 1.0)):
        with torch.no_grad():
            made[3].weight.mul_(scale)
            made[1].running_var.mul_(scale)
        group = measured_maps(ready, images(side))
        np.testing.assert_array_equal(group.values, effective_receptive_field(made, images(side)).values)
    assert passes.count((96, 96)) == 1 + 1  # once by the first single call
    assert passes.count((40, 40)) == 1 + 1


def test_modes_are_told_apart():
    made = network()
    ready = Prepared(made, mode="as_is")
    assert measured_maps(ready, images()).diagnostics == ()
    made[1].train()
    assert (
        measured_maps(ready, images()).diagnostics
        == effective_receptive_field(made, images(), mode="as_is").diagnostics
        != ()
    )


def test_what_depends_on_the_images_is_found_anew(passes):
    by_values = Forward(lambda x, a, b: a(x) if x.mean() > 0 else b(a(x)), nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3))
    ready = Prepared(by_values)
    pixels = [int((measured_maps(ready, sign * images().abs()).values > 0).sum()) for sign in (1, -1)]
    assert pixels == [3 * 3, 5 * 5]
    assert len(passes) == 2


def test_bad_arguments_are_refused_before_anything_runs():
    for bad in ({"layer": "9"}, {"unit": []}, {"mode": "typo"}, {"call": 3}):
        with pytest.raises(InvalidInput):
            Prepared(network(), **bad)
