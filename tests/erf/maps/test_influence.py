"""The influence of the image on a unit, and the map that it gives, against the Jacobian and by hand."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from erf import InvalidInput, effective_receptive_field, influence
from erf.maps.aggregation import output_direction
from erf.maps.statistic import Statistic
from tests.erf.maps.jacobians import difference, jacobians, small_network, some_images

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.mark.parametrize("unit", [(0, 0), (2, 1), (3, 3)])
def test_influence_is_the_jacobian(unit):
    network, images = small_network(), some_images(3, 2, 7, 8)
    rows = jacobians(network, images, unit)
    assert difference(influence(network, images, unit), rows.sum(1)) < 1e-12
    shared = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    expected = torch.einsum("k,nkchw->nchw", shared, rows)
    assert difference(influence(network, images, unit, shared), expected) < 1e-12
    own = some_images(3, 3)
    expected = torch.einsum("nk,nkchw->nchw", own, rows)
    assert difference(influence(network, images, unit, own), expected) < 1e-12


@pytest.mark.parametrize("unit", [(4, 0), (0, 4), (-1, 0), (0,), (0, 0, 0)])
def test_influence_of_a_unit_outside(unit):
    with pytest.raises(InvalidInput, match="outside the grid of the network's output"):
        influence(small_network(), some_images(1, 2, 7, 8), unit)


def test_a_constant_output_has_no_influence():
    class Constant(nn.Module):
        def forward(self, x):
            return torch.ones(len(x), 2, 3, 3) + 0 * x[:, :1, :1, :1].round()

    assert not influence(Constant(), some_images(2, 1, 5, 5), (1, 1)).any()


STATISTICS = {
    "mean_abs": lambda g: np.abs(g).mean((0, 1)),
    "rms": lambda g: np.sqrt((g**2).mean((0, 1))),
    "mean_square": lambda g: (g**2).mean((0, 1)),
    "signed_mean": lambda g: g.mean((0, 1)),
}


@pytest.mark.parametrize("aggregation", ["random_sign", "sum", 0, 2])
@pytest.mark.parametrize("statistic", STATISTICS)
def test_statistics_and_aggregations_by_hand(statistic, aggregation):
    if (statistic, aggregation) == ("signed_mean", "random_sign"):
        return
    network, images = small_network(), some_images(5, 2, 8, 8)
    rows = jacobians(network, images, (2, 2)).numpy()
    if aggregation == "random_sign":
        weights = np.stack([output_direction("random_sign", 3, 4, sample).numpy() for sample in range(7, 12)])
    else:
        weights = np.ones((5, 3)) if aggregation == "sum" else np.tile(np.eye(3)[aggregation], (5, 1))
    expected = STATISTICS[statistic](np.einsum("nk,nkchw->nchw", weights, rows))
    imap = effective_receptive_field(
        network, images, statistic=statistic, aggregation=aggregation, seed=4, first_sample=7, batch_size=2
    )
    assert difference(imap.values, expected) < 1e-12
    assert imap.values.dtype == np.float64
    assert (imap.statistic, imap.aggregation) == (Statistic(statistic), aggregation)
    assert (imap.samples, imap.skipped, imap.origin) == (5, 0, (0, 0))


def test_the_unit_in_the_middle_is_measured():
    network, images = small_network(), some_images(2, 2, 9, 8)
    imap = effective_receptive_field(network, images)
    named = effective_receptive_field(network, images, unit=(2, 2))
    np.testing.assert_array_equal(imap.values, named.values)
    assert imap.center == (4, 4)
    assert imap.trf_box == ((2, 7), (2, 7))


def test_normalize_divides_each_image_by_its_sum():
    network, images = small_network(), some_images(4, 2, 8, 8)
    g = jacobians(network, images, (2, 2)).sum(1).numpy()
    moments = np.abs(g).mean(1)
    expected = (moments / moments.sum((1, 2), keepdims=True)).mean(0)
    imap = effective_receptive_field(network, images, aggregation="sum", normalize=True, batch_size=3)
    assert difference(imap.values, expected) < 1e-12
    assert imap.normalized
    assert imap.values.sum() == pytest.approx(1, abs=1e-12)


def test_normalize_is_refused_where_positive_and_negative_cancel():
    network = nn.Conv2d(1, 1, (1, 2), bias=False).double()
    network.weight.data = torch.tensor([[[[1.0, -1.0]]]], dtype=torch.float64)
    with pytest.raises(InvalidInput, match="normal"):
        effective_receptive_field(
            network, some_images(1, 1, 1, 4), statistic="signed_mean", aggregation="sum", normalize=True
        )


def test_a_neighbouring_units_map_is_this_one_moved_by_jump():
    network = nn.Sequential(nn.Conv2d(1, 4, 3, (2, 3)), nn.Conv2d(4, 4, 3, padding=1), nn.AvgPool2d((2, 1))).double()
    images = some_images(2, 1, 40, 40)
    here, below, beside = effective_receptive_field(network, images, unit=[(4, 5), (5, 5), (4, 6)])
    assert here.values.any()
    np.testing.assert_allclose(below.values[4:], here.values[:-4], rtol=0, atol=1e-15)
    np.testing.assert_allclose(beside.values[:, 3:], here.values[:, :-3], rtol=0, atol=1e-15)
    assert below.center == (here.center[0] + 4, here.center[1])
    assert beside.trf_box[1] == (here.trf_box[1][0] + 3, here.trf_box[1][1] + 3)


def test_what_is_outside_the_trf_is_zero_and_its_edges_are_not():
    network = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.Conv2d(4, 4, 3, dilation=2, padding=2)).double()
    imap = effective_receptive_field(network, some_images(2, 1, 40, 40))
    window = imap.on_trf()
    inside = imap.values[window]
    assert np.count_nonzero(imap.values) == np.count_nonzero(inside)
    for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
        assert edge.any()


@pytest.mark.parametrize("axes", [1, 3])
def test_one_and_three_axes(axes):
    convolution = {1: nn.Conv1d, 3: nn.Conv3d}[axes]
    network = nn.Sequential(convolution(2, 3, 3), nn.Tanh(), convolution(3, 2, 2, stride=2)).double()
    images = some_images(3, 2, *[8] * axes)
    unit = (1,) * axes
    expected = np.abs(jacobians(network, images, unit).sum(1).numpy()).mean((0, 1))
    imap = effective_receptive_field(network, images, unit=unit, aggregation="sum")
    assert difference(imap.values, expected) < 1e-12
    assert imap.trf_box == ((2, 6),) * axes


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("normalize", [False, True])
def test_neither_batches_nor_shards_change_the_result(statistic, normalize):
    aggregation = "sum" if statistic == "signed_mean" else "random_sign"
    network, images = small_network(), some_images(7, 2, 8, 8)
    measure = partial(
        effective_receptive_field, network, statistic=statistic, aggregation=aggregation, normalize=normalize, seed=2
    )
    at_once = measure(images, batch_size=7)
    others = [measure(images, batch_size=size) for size in (1, 3)]
    others.append(measure(iter([images[:2], images[2:3], images[3:]])))
    others.append(measure(images[:3]).merge(measure(images[3:], first_sample=3)))
    others.append(measure(images[5:], first_sample=5).merge(measure(images[:5])))
    for other in others:
        assert difference(other.values, at_once.values) < 1e-12
        assert other.samples == at_once.samples == 7


def test_random_signs_depend_on_the_image_s_index():
    network, images = small_network(), some_images(1, 2, 8, 8).expand(6, -1, -1, -1)
    values = effective_receptive_field(network, images).values
    assert difference(effective_receptive_field(network, images, first_sample=40).values, values) > 1e-3
    assert difference(effective_receptive_field(network, images, seed=1).values, values) > 1e-3


def test_random_signs_do_not_cancel():
    """Two channels that are each other's negative: their sum has no gradient, with random signs half of the images."""
    network = nn.Conv2d(1, 2, 3, bias=False).double()
    network.weight.data[1] = -network.weight.data[0]
    images = some_images(200, 1, 3, 3)
    assert effective_receptive_field(network, images, aggregation="sum").skipped == 200
    imap = effective_receptive_field(network, images, statistic="mean_square")
    assert 70 < imap.skipped < 130
    np.testing.assert_allclose(imap.values, 4 * network.weight.data[0, 0].numpy() ** 2, rtol=1e-12)


def test_measuring_works_without_grad_mode():
    network, images = small_network(), some_images(2, 2, 8, 8)
    expected = effective_receptive_field(network, images).values
    with torch.no_grad():
        np.testing.assert_array_equal(effective_receptive_field(network, images).values, expected)
        assert influence(network, images, (1, 1)).any()


BAD_ARGUMENTS = [
    ({"statistic": "median"}, "statistic='median' is unknown; allowed: mean_abs"),
    ({"aggregation": "mean"}, "aggregation='mean' is unknown; allowed: random_sign"),
    ({"aggregation": 3}, "aggregation=3: the output has channels 0 to 2"),
    ({"aggregation": -1}, "channels 0 to 2"),
    ({"statistic": "signed_mean"}, "signed_mean of randomly signed channels is 0 on average"),
    ({"mode": "train"}, "mode='train' is unknown; allowed: eval, as_is"),
    ({"layer": "4"}, "layer '4' is not in Sequential; nearest names: 0, 1, 2, 3"),
    ({"layer": ["0", "conv"]}, "layer 'conv' is not in Sequential"),
    ({"unit": (4, 0)}, r"unit \(4, 0\) is outside the grid of the network's output .* \(4, 4\)"),
    ({"unit": [(0, 0), (0,)]}, "outside the grid"),
    ({"batch_size": 0}, "batch_size=0"),
    ({"images": torch.zeros(2, 8)}, r"must have shape \[N, C, H, W\], not \[2, 8\]"),
    ({"images": torch.full((2, 2, 8, 8), torch.inf)}, "not finite"),
    ({"images": []}, "no image"),
    ({"images": torch.zeros(0, 2, 8, 8)}, "no image"),
    ({"images": "photos/"}, r"tensor or an iterable of batches, not str; .* erf\.data\.Pictures"),
    ({"images": Path("photos")}, "not PosixPath; those of a folder"),
    ({"images": None}, "not NoneType"),
    ({"images": TensorDataset(torch.zeros(1, 2, 8, 8))}, "not TensorDataset"),
    (
        {"images": [{"image": torch.zeros(1, 2, 8, 8)}]},
        "a batch of images is a tensor, or .* one first, not dict",
    ),
    ({"images": np.zeros((1, 2, 8, 8))}, "not ndarray; those of a folder are"),
    ({"images": [([], torch.zeros(1))]}, "not a tuple that begins with list"),
    ({"images": [()]}, "with one first, not tuple"),
    ({"images": [["x"]]}, "not a list that begins with str"),
    (
        {"images": torch.zeros(2, 3, 8, 8)},
        r"does not run on an input \[N, 3, 8, 8\] \(its first layer takes 2 channels, not 3: channels=2\)",
    ),
    (
        {"images": [torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 8, 12)]},
        r"all images must have one shape: after images of \[2, 8, 8\] came \[2, 8, 12\]",
    ),
    ({"images": [torch.zeros(1, 2, 8, 8), torch.zeros(1, 1, 8, 8)]}, r"after images of \[2, 8, 8\] came \[1, 8, 8\]"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_ARGUMENTS)
def test_bad_input(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        effective_receptive_field(small_network(), **{"images": some_images(2, 2, 8, 8), **arguments})
