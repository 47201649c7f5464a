"""The backward pass in a unit's cone is the plain one, for all convolutions and wherever the gradient is not 0."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import event, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import _get_current_dispatch_mode

from erf.maps import backward_cone
from erf.maps.backward_cone import LEAST_SIDE, gradient_in_cone, input_gradient, nonzero_box, widened

CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
CALLS = "erf.maps.backward_cone.input_gradient"


def drawn(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def plain(output, leaf):
    return torch.autograd.grad(output, leaf, retain_graph=True, allow_unused=True)[0]


def ordered(values, last):
    return values.contiguous(memory_format=LAST[values.ndim]) if last and values.ndim in LAST else values


def per_axis(draw, axes, least, most):
    return tuple(draw(st.lists(st.integers(least, most), min_size=axes, max_size=axes)))


@st.composite
def convolutions(draw):
    """Return a convolution's images, its options and weights, and weights of its outputs, 0 outside of a box."""
    axes, groups = draw(st.integers(1, 3)), draw(st.sampled_from([1, 1, 2]))
    kernel, dilation = per_axis(draw, axes, 1, 3), per_axis(draw, axes, 1, 2)
    options = {"stride": per_axis(draw, axes, 1, 3), "padding": per_axis(draw, axes, 0, 4), "dilation": dilation}
    extra = per_axis(draw, axes, 0, 6)
    size = [1 + d * (k - 1) + more for k, d, more in zip(kernel, dilation, extra, strict=True)]
    dtype = draw(st.sampled_from([torch.float64, torch.float64, torch.float32]))
    images = ordered(drawn(draw(st.integers(1, 3)), 2 * groups, *size, dtype=dtype), draw(st.booleans()))
    weight = drawn(groups * draw(st.integers(1, 3)), 2, *kernel, dtype=dtype, seed=1)
    named = draw(st.sampled_from([{}, {}, {"padding": "valid"}]))  # which torch hands on as one number for all axes
    options |= {"groups": groups, "weight": ordered(weight, draw(st.booleans()))} | named
    shape = CONVOLUTIONS[axes](images, **options).shape
    cotangent = torch.zeros(shape, dtype=dtype)
    ends = [(draw(st.integers(0, n)), draw(st.integers(0, n))) for n in shape[2:]]
    box = tuple(slice(min(pair), max(pair)) for pair in ends)
    cotangent[(..., *box)] = drawn(*shape, dtype=dtype, seed=2)[(..., *box)]
    return images, options, ordered(cotangent, draw(st.booleans()))


def significant_strides(values):
    return [stride for stride, n in zip(values.stride(), values.shape, strict=True) if n > 1]


@given(convolutions())
@settings(max_examples=300)
def test_it_is_the_plain_gradient_in_the_same_layout(case):
    images, options, cotangent = case
    leaf = images.requires_grad_()
    layer = CONVOLUTIONS[images.ndim - 2](leaf.clone(), **options)
    output = (layer * cotangent).sum()
    with pytest.MonkeyPatch.context() as patch:
        counted = Counted()
        patch.setattr(CALLS, counted)
        in_cone = gradient_in_cone(output, leaf)
    event(f"in the cone: {len(counted.boxes)}")
    expected = plain(output, leaf)
    peak = float(expected.abs().max())
    assert float((in_cone - expected).abs().max()) <= (1e-12 if images.dtype == torch.float64 else 1e-5) * peak
    assert significant_strides(in_cone) == significant_strides(expected)


class Counted:
    """Stands for the gradient of a box, and keeps the boxes."""

    def __init__(self):
        self.boxes = []

    def __call__(self, box, *args):
        self.boxes.append(box)
        return input_gradient(box, *args)


def boxes_of(output, leaf, monkeypatch):
    counted = Counted()
    monkeypatch.setattr(CALLS, counted)
    in_cone = gradient_in_cone(output, leaf)
    torch.testing.assert_close(in_cone, plain(output, leaf), rtol=0, atol=1e-12 * float(in_cone.abs().max()))
    return counted.boxes


def test_the_box_grows_layer_by_layer_until_it_is_almost_everything(monkeypatch):
    network = nn.Sequential(*(nn.Conv2d(2, 2, 3, padding=1) for _ in range(5))).double()
    network.requires_grad_(False)
    leaf = drawn(1, 2, 9, 11).requires_grad_()
    boxes = boxes_of(network(leaf)[0, :, 4, 5].sum(), leaf, monkeypatch)
    exact = [((4 - k, 5 + k), (5 - k, 6 + k)) for k in range(4)]  # and not the 9 by 9 of 9 by 11
    assert boxes == [widened(box, (9, 11)) for box in exact]


def test_branches_transposed_convolutions_and_drawn_kernels_are_taken_as_they_are(monkeypatch):
    below, above = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(3, 2, 1)
    up, down = nn.ConvTranspose2d(2, 2, 2, stride=2), nn.Conv2d(2, 2, 2, stride=2)
    modules = nn.ModuleList([below, above, up, down]).double().requires_grad_(False)
    assert all(not parameter.requires_grad for parameter in modules.parameters())
    leaf = drawn(2, 2, 12, 12).requires_grad_()
    kernel = leaf.mean((0, 2, 3))[:, None, None, None].expand(2, 1, 3, 3)  # its gradient is wanted, too
    features = up(down(above(F.max_pool2d(below(leaf).relu(), 3, 1, 1)))) + F.conv2d(leaf, kernel, padding=1, groups=2)
    boxes = boxes_of(features[..., 6, 6].sum(), leaf, monkeypatch)
    assert boxes[0] == ((3, 4), (3, 4))
    assert len(boxes) == 3


def test_what_is_not_finite_still_shows():
    weight = drawn(1, 1, 3, 3)
    weight[0, 0, 1, 1] = torch.inf
    leaf = drawn(1, 1, 9, 9).requires_grad_()
    in_cone = gradient_in_cone(F.conv2d(leaf, weight, padding=1)[..., 4, 4].sum(), leaf)
    assert in_cone[0, 0, 4, 4] == torch.inf
    values = torch.zeros(1, 2, 4, 5)
    values[0, 1, 2, 3] = torch.nan
    assert nonzero_box(values) == ((2, 3), (3, 4))
    assert nonzero_box(torch.zeros(1, 2, 4, 5)) == ((0, 0), (0, 0))


def test_a_leaf_that_the_number_does_not_depend_on_has_none():
    leaf, other = drawn(1, 1, 5, 5).requires_grad_(), drawn(1, 1, 5, 5).requires_grad_()
    assert gradient_in_cone(F.conv2d(other, drawn(1, 1, 3, 3)).sum(), leaf) is None


def test_nothing_stays_behind_also_after_an_error(monkeypatch):
    leaf = drawn(1, 1, 9, 9).requires_grad_()
    layer = F.conv2d(leaf, drawn(1, 1, 3, 3))
    output = layer[..., 4, 4].sum()
    with monkeypatch.context() as patch:
        patch.setattr(CALLS, lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            gradient_in_cone(output, leaf)
    assert _get_current_dispatch_mode() is None
    with monkeypatch.context() as patch:
        counted = Counted()
        patch.setattr(CALLS, counted)
        plain(output, leaf)
        assert not counted.boxes  # no hook is left on the graph
    assert gradient_in_cone(output, leaf).equal(plain(output, leaf))


@given(st.data())
def test_a_box_is_widened_inside_of_its_layer_and_no_more_than_it_must(data):
    sides = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
    ends = [data.draw(st.integers(1, side)) for side in sides]
    box = tuple((data.draw(st.integers(0, end - 1)), end) for end in ends)
    wider = widened(box, sides)
    single = all(end - first == 1 for first, end in box)
    for (first, end), (low, high), side in zip(box, wider, sides, strict=True):
        assert 0 <= low <= first < end <= high <= side
        assert high - low == (end - first if single else max(end - first, min(LEAST_SIDE, side)))


@given(st.integers(1, 6), st.lists(st.integers(0, 7), max_size=8, unique=True), st.booleans(), st.booleans())
def test_linear_layers_are_multiplied_by_the_rows_that_are_not_0(width, tokens, biased, both):
    """Both: the weights depend on the images, too, as in attention."""
    leaf = drawn(8, 3).requires_grad_()
    weight, bias = drawn(width, 3, seed=1), drawn(width, seed=2) if biased else None
    layer = leaf @ (leaf.T if both else weight.T) if both or not biased else F.linear(leaf, weight, bias)
    cotangent = torch.zeros(layer.shape, dtype=layer.dtype)
    cotangent[tokens] = drawn(*layer.shape, seed=3)[tokens]
    output = (F.linear(layer.sin(), drawn(4, layer.shape[1], seed=4)).cos() * cotangent[:, :1]).sum()
    expected, ours = plain(output, leaf), gradient_in_cone(output, leaf)
    assert ours is not None
    assert float((ours - expected).abs().max()) <= 1e-12 * max(1, float(expected.abs().max()))


@pytest.mark.parametrize(("rows", "sizes"), [(2, [2, 2]), (7, [])])  # of 8: more than the largest share
def test_a_row_of_many_is_multiplied_alone(monkeypatch, rows, sizes):
    products, product = [], backward_cone.product_of_rows
    monkeypatch.setattr(
        backward_cone, "product_of_rows", lambda rows, *of: products.append(len(rows)) or product(rows, *of)
    )
    leaf = drawn(1, 8, 5).requires_grad_()
    network = nn.Sequential(nn.Linear(5, 6), nn.GELU(), nn.Linear(6, 4)).double().requires_grad_(False)
    output = network(leaf)[0, :rows].sum()
    in_cone = gradient_in_cone(output, leaf)
    assert products == sizes
    assert in_cone is not None
    assert torch.allclose(in_cone, plain(output, leaf), rtol=0, atol=1e-14)


def test_a_nan_in_a_row_is_no_0():
    values = torch.zeros(4, 3)
    values[2, 1] = torch.nan
    assert backward_cone.nonzero_rows(values).tolist() == [2]
