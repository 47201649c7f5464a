"""Several processes measure what one does."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from erf import InvalidInput, effective_receptive_field
from erf.sharding import sharded_receptive_field
from erf.training import launch, make_fabric

CPU = torch.device("cpu")
SETTINGS = {"statistic": "rms", "seed": 3}


def network():
    generator = torch.Generator().manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2, padding=1))
    for parameter in layers.parameters():
        nn.init.normal_(parameter, generator=generator)
    with torch.no_grad():
        layers[0].weight.abs_()
    return layers.double()


def images(count=7):
    drawn = torch.randn(count, 2, 12, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    drawn[2:3] = -100  # the first convolution's weights are positive: all gates are closed, the image is skipped
    return drawn


def _measure(fabric, count):
    maps = sharded_receptive_field(
        fabric, network(), images(count), ["1", "2"], [(2, 3), (1, 1)], batch_size=2, **SETTINGS
    )
    data = TensorDataset(images(count), torch.zeros(count))
    again = sharded_receptive_field(fabric, network(), data, ["1", "2"], [(2, 3), (1, 1)], batch_size=2, **SETTINGS)
    assert all(
        np.array_equal(a.values, b.values) for name in maps for a, b in zip(maps[name], again[name], strict=True)
    )
    return maps


@pytest.mark.parametrize("processes", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_number_of_processes_changes_nothing_but_rounding(processes):
    expected = effective_receptive_field(network(), images(), ["1", "2"], [(2, 3), (1, 1)], **SETTINGS)
    found = launch(make_fabric(CPU, processes), _measure, 7)
    for name in expected:
        for one, whole in zip(found[name], expected[name], strict=True):
            assert np.abs(one.values - whole.values).max() < 1e-12 * whole.values.max()
            assert (one.samples, one.skipped) == (whole.samples, whole.skipped)
            assert one.samples + one.skipped == 7
            assert one.skipped
            assert (one.trf_box, one.centre, one.findings) == (whole.trf_box, whole.centre, whole.findings)


def test_a_share_is_measured_with_the_signs_of_its_own_images():
    whole = effective_receptive_field(network(), images(4), "2", **SETTINGS)
    other = effective_receptive_field(network(), images(4), "2", first_sample=1, **SETTINGS)
    assert not np.allclose(whole.values, other.values)


def test_fewer_images_than_processes_is_an_error():
    with pytest.raises(InvalidInput, match="1 images are too few for 2 processes"):
        launch(make_fabric(CPU, 2), _measure, 1)
