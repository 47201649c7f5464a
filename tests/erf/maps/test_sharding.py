"""Several processes measure what one does."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from erf import InvalidInput, effective_receptive_field
from erf.maps.sharding import sharded_receptive_field
from erf.training.loop import launch, make_fabric
from tests.erf.toy_sharding import COUNT, LAYERS, SETTINGS, UNITS, images, measure, network

CPU = torch.device("cpu")


@pytest.mark.parametrize("processes", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_number_of_processes_changes_nothing_but_rounding(processes, request):
    expected = effective_receptive_field(network(), images(), LAYERS, UNITS, **SETTINGS)
    if processes == 2:
        _, found = request.getfixturevalue("two_processes")
    else:
        found = launch(make_fabric(CPU, processes), measure)
    for name in expected:
        for one, whole in zip(found[name], expected[name], strict=True):
            assert np.abs(one.values - whole.values).max() < 1e-12 * whole.values.max()
            assert (one.samples, one.skipped) == (whole.samples, whole.skipped)
            assert one.samples + one.skipped == COUNT
            assert one.skipped
            assert (one.trf_box, one.center, one.findings) == (whole.trf_box, whole.center, whole.findings)


def test_a_share_is_measured_with_the_signs_of_its_own_images():
    whole = effective_receptive_field(network(), images(4), "2", **SETTINGS)
    other = effective_receptive_field(network(), images(4), "2", first_sample=1, **SETTINGS)
    assert not np.allclose(whole.values, other.values)


def test_fewer_images_than_processes_is_an_error():
    with pytest.raises(InvalidInput, match="1 images are too few for 2 processes"):
        sharded_receptive_field(SimpleNamespace(world_size=2), network(), images(1))


@pytest.mark.slow
def test_an_error_in_real_processes_is_the_same_one_line():
    with pytest.raises(InvalidInput, match=r"^1 images are too few for 2 processes"):
        launch(make_fabric(CPU, 2), measure, 1)
