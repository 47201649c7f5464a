"""The backward pass in a unit's cone is the plain one, for all convolutions and wherever the gradient is not 0."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import _get_current_dispatch_mode

from erf import backward_cone
from erf.backward_cone import gradient_in_cone, nonzero_box

CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


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
    """Return a convolution's images, its options, and a gradient of its output that is 0 outside of a box."""
    axes, groups = draw(st.integers(1, 3)), draw(st.sampled_from([1, 1, 2]))
    kernel, dilation = per_axis(draw, axes, 1, 3), per_axis(draw, axes, 1, 2)
    options = {"stride": per_axis(draw, axes, 1, 3), "padding": per_axis(draw, axes, 0, 3), "dilation": dilation}
    extra = per_axis(draw, axes, 0, 6)
    size = [1 + d * (k - 1) + more for k, d, more in zip(kernel, dilation, extra, strict=True)]
    dtype = draw(st.sampled_from([torch.float64, torch.float64, torch.float32]))
    images = ordered(drawn(draw(st.integers(1, 3)), 2 * groups, *size, dtype=dtype), draw(st.booleans()))
    weight = drawn(groups * draw(st.integers(1, 3)), 2, *kernel, dtype=dtype, seed=1)
    options |= {"groups": groups, "weight": ordered(weight, draw(st.booleans()))}
    shape = CONVOLUTIONS[axes](images, **options).shape
    cotangent = torch.zeros(shape, dtype=dtype)
    ends = [(draw(st.integers(0, n)), draw(st.integers(0, n))) for n in shape[2:]]
    box = tuple(slice(min(pair), max(pair)) for pair in ends)
    cotangent[(..., *box)] = drawn(*shape, dtype=dtype, seed=2)[(..., *box)]
    return images, options, ordered(cotangent, draw(st.booleans()))


def significant_strides(values):
    return [stride for stride, n in zip(values.stride(), values.shape, strict=True) if n > 1]


@pytest.fixture
def cut(monkeypatch):
    """Note the boxes from which gradients were computed."""
    boxes, of_box = [], backward_cone.input_gradient
    monkeypatch.setattr(backward_cone, "input_gradient", lambda box, *others: boxes.append(box) or of_box(box, *others))
    return boxes


def assert_plain(output, leaf, tolerance=1e-12):
    found, expected = gradient_in_cone(output, leaf), plain(output, leaf)
    assert float((found - expected).abs().max()) <= tolerance * float(expected.abs().max())
    assert significant_strides(found) == significant_strides(expected)


@given(convolutions())
@settings(max_examples=200, deadline=None)
def test_it_is_the_plain_gradient_in_the_same_layout(case):
    images, options, gradient = case
    leaf = images.requires_grad_()
    layer = CONVOLUTIONS[images.ndim - 2](leaf.clone(), **options)
    assert_plain((layer * gradient).sum(), leaf, 1e-12 if images.dtype == torch.float64 else 1e-5)


def convolution(*arguments, **options):
    return nn.Conv2d(*arguments, **options, dtype=torch.float64).requires_grad_(False)


def stack(depth):
    return nn.Sequential(*(convolution(2, 2, 3, padding=1) for _ in range(depth)))


def test_the_cone_is_followed_until_it_is_almost_everything(cut):
    leaf = drawn(1, 2, 15, 15).requires_grad_()
    assert_plain(stack(10)(leaf)[0, 0, 7, 3], leaf)
    # 15 x 11 positions of 15 x 15 are less than three quarters, the next 15 x 12 are more.
    assert cut == [((7 - n, 8 + n), (max(3 - n, 0), 4 + n)) for n in range(8)]


class Branches(nn.Module):
    """Has what else lies between convolutions: a sum, in-place operators, a pooling, strides, a transposed one."""

    def __init__(self):
        super().__init__()
        self.stem, self.left, self.right = stack(1), convolution(2, 4, 3, stride=2, padding=1), convolution(2, 4, 1, 2)
        self.up = nn.ConvTranspose2d(4, 2, 2, 2, dtype=torch.float64).requires_grad_(False)

    def forward(self, images):
        below = self.stem(images).relu_()
        return self.up(F.max_pool2d(self.left(below).add_(self.right(below)).relu_(), 3, 1, 1))


def test_in_a_network_with_branches(cut):
    leaf = drawn(2, 2, 20, 22).requires_grad_()
    assert_plain(Branches()(leaf)[:, 0, 8, 9].sum(), leaf)
    assert len(cut) == 3


def test_a_unit_without_influence_and_one_that_is_the_image(cut):
    leaf = drawn(1, 2, 9, 9).requires_grad_()
    assert not gradient_in_cone((stack(2)(leaf) * 0).sum(), leaf).any()
    assert gradient_in_cone(drawn(1).requires_grad_().sum(), leaf) is None
    assert gradient_in_cone(leaf[0, 0, 4, 4], leaf).sum() == 1
    assert not cut


def test_gradients_of_parameters_are_left_to_autograd(cut):
    leaf, network = drawn(1, 2, 9, 9).requires_grad_(), stack(3).requires_grad_()
    output = network(leaf)[0, 0, 4, 4]
    assert_plain(output, leaf)
    assert_plain(output, network[1].weight)


def test_values_that_are_not_finite_are_not_left_out():
    leaf, network = drawn(1, 2, 15, 15).requires_grad_(), stack(2)
    with torch.no_grad():
        network[0].weight[0, 0, 0, 0] = torch.inf
    assert not gradient_in_cone(network(leaf)[0, 0, 7, 7], leaf).isfinite().all()


def test_a_failing_pass_leaves_torch_as_it_was():
    class Failing(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, *gradients):
            raise RuntimeError("no gradient")

    leaf = drawn(1, 2, 15, 15).requires_grad_()
    with pytest.raises(RuntimeError, match="no gradient"):
        gradient_in_cone(stack(2)(Failing.apply(leaf))[0, 0, 7, 7], leaf)
    assert _get_current_dispatch_mode() is None
    assert_plain(stack(2)(leaf)[0, 0, 7, 7], leaf)


def test_the_box_of_what_is_not_0():
    values = torch.zeros(2, 3, 6, 7)
    assert nonzero_box(values) == ((0, 0), (0, 0))
    values[1, 2, 4, 1], values[0, 0, 3, 5] = -1.0, torch.nan
    assert nonzero_box(values) == ((3, 5), (1, 6))
    assert nonzero_box(values[:, :, 3]) == ((5, 6),)
