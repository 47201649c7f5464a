"""The backward pass in a unit's cone is the plain one, for all convolutions and wherever the gradient is not 0."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import event, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import _get_current_dispatch_mode

from erf.backward_cone import gradient_in_cone, nonzero_box

CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
CALLS = "erf.backward_cone.input_gradient"


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
    """Return a convolution's images, options and its weights, and weights of its outputs that are 0 outside of a box."""
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


@given(convolutions())
@settings(max_examples=300, deadline=None)
def test_it_is_the_plain_gradient_in_the_same_layout(case):
    images, options, cotangent = case
    leaf = images.requires_grad_()
    layer = CONVOLUTIONS[images.ndim - 2](leaf.clone(), **options)
    output = (layer * cotangent).sum()
    with pytest.MonkeyPatch.context() as patch:
        counted = Counted()
        patch.setattr(CALLS, counted)
        found = gradient_in_cone(output, leaf)
    event(f"in the cone: {counted.calls}")
    expected = plain(output, leaf)
    peak = float(expected.abs().max())
    assert float((found - expected).abs().max()) <= (1e-12 if images.dtype == torch.float64 else 1e-5) * peak
    assert significant_strides(found) == significant_strides(expected)


class Counted:
    """Stands for the gradient of a box, and counts how often it is computed."""

    def __init__(self):
        from erf.backward_cone import input_gradient

        self.calls, self._of_box = 0, input_gradient

    def __call__(self, *args):
        self.calls += 1
        return self._of_box(*args)
