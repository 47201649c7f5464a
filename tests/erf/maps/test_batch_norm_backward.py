"""Gradients through batch norm are right in every order in memory, which torch's own are not."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import erf
from erf.compatibility import openerf_map
from erf.maps.backward_cone import gradient_in_cone
from erf.maps.batch_norm_backward import ordered_alike

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-4, torch.bfloat16: 0.1}


def drawn(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def by_hand(gradient, input, scale, variance, training):
    """Return the gradient of batch norm's input by its formula; in training the variance is the input's own."""
    channels = (1, -1, *[1] * (input.ndim - 2))
    if not training:
        return gradient * (scale / (variance + 1e-5).sqrt()).view(channels)
    others = [dim for dim in range(input.ndim) if dim != 1]
    deviation = (input.var(others, keepdim=True, correction=0) + 1e-5).sqrt()
    standard = (input - input.mean(others, keepdim=True)) / deviation
    centered = gradient - gradient.mean(others, keepdim=True)
    return (centered - standard * (gradient * standard).mean(others, keepdim=True)) * scale.view(channels) / deviation


@st.composite
def ordered(draw, values):
    """Return the values in any order in memory, in which a dimension of size 1 may have any stride."""
    channels_last = (0, *range(2, values.ndim), 1)
    order = draw(st.sampled_from([range(values.ndim), channels_last]) | st.permutations(range(values.ndim)))
    dense = values.permute(*order).contiguous().permute(*torch.tensor(tuple(order)).argsort().tolist())
    strides = [
        draw(st.sampled_from([stride, 1, values.shape[1], 1000])) if n == 1 else stride
        for stride, n in zip(dense.stride(), dense.shape, strict=True)
    ]
    return dense.as_strided(values.shape, strides)


@given(st.data(), st.sampled_from([*TOLERANCE]), st.booleans(), st.booleans())
@settings(max_examples=150)
def test_the_gradient_is_that_of_the_formula_in_every_order(data, dtype, training, instance):
    images, channels = data.draw(st.sampled_from([1, 1, 2])), data.draw(st.sampled_from([1, 2, 8]))
    size = data.draw(st.lists(st.sampled_from([1, 2, 3, 5]), min_size=1, max_size=3))
    if (
        training and images * torch.Size(size).numel() < 4
    ):  # of two values the standard ones are signs, whatever they are
        size = [4, *size[1:]]
    instance = instance and not training and torch.Size(size).numel() > 3
    shape = (images, channels, *size)
    input, gradient = (drawn(*shape, seed=seed).to(dtype) for seed in (1, 2))
    scale, mean, variance = (drawn(channels, seed=seed).abs().add(0.5).to(dtype) for seed in (3, 4, 5))
    leaf = data.draw(ordered(input)).requires_grad_()
    cotangent = data.draw(ordered(gradient))
    if instance:
        output = F.instance_norm(leaf, weight=scale, bias=mean)
        each = [by_hand(g[None].double(), x[None].double(), scale.double(), variance, True)
                for g, x in zip(gradient, input, strict=True)]  # fmt: skip
        expected = torch.cat(each)
    else:
        output = F.batch_norm(leaf, mean.clone(), variance.clone(), scale, mean, training=training)
        expected = by_hand(gradient.double(), input.double(), scale.double(), variance.double(), training)
    in_cone = gradient_in_cone(Weighted.apply(output, cotangent), leaf)
    assert in_cone is not None
    assert float((in_cone - expected).abs().max()) <= TOLERANCE[dtype] * float(expected.abs().max())


class Weighted(torch.autograd.Function):
    """The sum of products with weights, which are its gradient in just the order in memory that they are in."""

    @staticmethod
    def forward(ctx, values, weights):
        ctx.save_for_backward(weights)
        return (values * weights).sum()

    @staticmethod
    def backward(ctx, gradient):  # pyright: ignore[reportIncompatibleMethodOverride]
        return ctx.saved_tensors[0], None


def test_torch_is_still_wrong():
    leaf = drawn(1, 2, 3, 4).requires_grad_()
    gradient = drawn(1, 12, 2, seed=1)
    mean, variance = torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    tokens = F.batch_norm(leaf, mean, variance).flatten(2).transpose(1, 2)
    (by_torch,) = torch.autograd.grad(tokens, leaf, gradient)
    expected = by_hand(gradient.transpose(1, 2).reshape(leaf.shape), leaf, torch.ones_like(mean), variance, False)
    assert not torch.allclose(by_torch, expected), (
        f"torch {torch.__version__} takes gradients through batch norm rightly: remove erf/batch_norm_backward.py, its "
        "use in erf/backward_cone.py and these tests, once no older torch is supported"
    )


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_what_is_ordered_alike_is_not_copied(layout):
    input, gradient = (drawn(2, 3, 4, 5, seed=seed).contiguous(memory_format=layout) for seed in (0, 1))
    assert ordered_alike(gradient, input) is gradient
    expanded = gradient[:, :1].expand(2, 3, 4, 5)  # in no layout: torch reads it value by value
    assert ordered_alike(expanded, input) is expanded


class Normed(nn.Module):
    """A norm that cannot be folded, whose gradient comes channels-last, along any number of axes."""

    def __init__(self, axes, norm):
        super().__init__()
        self.stem = getattr(nn, f"Conv{axes}d")(3, 8, 3, padding=1)
        self.norm = getattr(nn, f"{norm}{axes}d")(8, affine=True, track_running_stats=True)
        self.block = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 4))
        self.norm.running_mean, self.norm.running_var = drawn(8).float(), drawn(8, seed=1).abs().float() + 0.5

    def forward(self, x):
        tokens = self.norm(self.stem(x).tanh()).flatten(2).permute(2, 0, 1)  # [T, N, K], as attention takes them
        return self.block(tokens).tanh().transpose(0, 1)


class LastAxis(Normed):
    def forward(self, x):
        positions = self.norm(self.stem(x).tanh()).movedim((0, 1), (-2, -1))
        return self.block(positions).tanh().movedim((-2, -1), (0, 1))


@pytest.mark.parametrize("kind", [Normed, LastAxis])
@pytest.mark.parametrize("norm", ["BatchNorm", "InstanceNorm"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("size", [(15,), (6, 7), (3, 4, 3)])
def test_images_one_by_one_are_the_images_at_once(size, dtype, norm, kind):
    torch.manual_seed(0)
    network = kind(len(size), norm).eval().to(dtype)
    images = drawn(3, 3, *size).to(dtype)
    at_once = erf.effective_receptive_field(network, images, aggregation=0).values
    singly = [
        erf.effective_receptive_field(network, image, aggregation=0, first_sample=number).values
        for number, image in enumerate(images.split(1))
    ]
    assert abs(sum(singly) / 3 - at_once).max() <= {torch.float64: 1e-12, torch.float32: 1e-5}[dtype] * at_once.max()


@pytest.mark.parametrize("kind", [Normed, LastAxis])
def test_other_tools_maps_of_one_image_are_right(kind):
    torch.manual_seed(0)
    network, image = kind(2, "BatchNorm").eval().double(), drawn(1, 3, 7, 7)
    unit = (0, 24) if kind is Normed else (0, slice(None), 3, 3)
    leaf = image.clone().requires_grad_()
    # Twice the image: as two torch takes them rightly.
    (gradient,) = torch.autograd.grad(network(torch.cat([leaf, leaf.detach()]))[unit].mean(), leaf)
    expected = gradient[0].mean(0).clamp(min=0)
    imap = openerf_map(network, image)
    assert abs(imap - (expected / expected.sum()).numpy()).max() <= 1e-12 * imap.max()
