"""Units of causal networks stand at an end of their fields; all others at the center, as they did."""

import math
from itertools import accumulate

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from torch import nn

import erf
from erf.reachability.one_sided import standing_side
from tests.oracles.nan_poisoning import poisoned_box, values_at


class Padded(nn.Module):
    """Pads as told, then runs a layer."""

    def __init__(self, pad, layer):
        super().__init__()
        self.pad, self.layer = pad, layer

    def forward(self, x):
        return self.layer(F.pad(x, self.pad)).tanh()


class Chomped(nn.Module):
    """A convolution padded on both sides, and the end cut off, as TCNs have it."""

    def __init__(self, dilation):
        super().__init__()
        self.layer, self.beyond = nn.Conv1d(2, 2, 3, dilation=dilation, padding=2 * dilation), 2 * dilation

    def forward(self, x):
        return self.layer(x)[..., : -self.beyond].tanh()


class Residual(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.branch = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.branch(x)


class Attention(nn.Module):
    """Every position mixes in all others."""

    def forward(self, x):
        tokens = x.transpose(1, 2)
        return (tokens + F.scaled_dot_product_attention(tokens, tokens, tokens)).transpose(1, 2)


class Masked(nn.Conv2d):
    """PixelCNN's: weights of pixels below and to the right are 0."""

    def forward(self, input):
        mask = torch.ones(self.kernel_size)
        mask[self.kernel_size[0] // 2, self.kernel_size[1] // 2 + 1 :] = 0
        mask[self.kernel_size[0] // 2 + 1 :] = 0
        return F.conv2d(input, self.weight * mask.to(self.weight), padding=self.padding)


def dilated(kernel=3, dilations=(1, 2, 4), reverse=False):
    pads = [((kernel - 1) * d, 0) for d in dilations]
    layers = [nn.Conv1d(2, 2, kernel, dilation=d) for d in dilations]
    return [Padded(pad[::-1] if reverse else pad, layer) for pad, layer in zip(pads, layers, strict=True)]


def strided(left, right):
    return nn.Sequential(*(Padded((left, right), nn.Conv1d(2, 2, 5, stride=2)) for _ in range(3)))


def decoder(factor, *below):
    """Causal: what is upsampled reads no later step, as in decoders of audio codecs."""
    upsampling = nn.ConvTranspose1d(2, 2, 2 * factor, stride=factor)
    return stack(*below, *dilated(7, (1,)), upsampling, nn.ConstantPad1d((0, -factor), 0.0), *dilated(7, (1,)))


def nearest(factor, layers):
    return stack(*layers, nn.Upsample(scale_factor=factor))


def padded_by(pad):
    convolution = {4: nn.Conv2d, 6: nn.Conv3d}[len(pad)]
    return nn.Sequential(*(Padded(pad, convolution(2, 2, 3)) for _ in range(3)))


def stack(*layers):
    return nn.Sequential(*layers)


ONE_SIDED = {
    "causal": (lambda: stack(*dilated()), (40,), ("last",)),
    "causal in residual blocks": (lambda: stack(*(Residual(layer) for layer in dilated())), (40,), ("last",)),
    "causal by chomping": (lambda: stack(*map(Chomped, (1, 2, 4))), (40,), ("last",)),
    "causal of kernels of 2": (lambda: stack(*dilated(2, (1, 2, 4, 8))), (40,), ("last",)),
    "anticausal": (lambda: stack(*dilated(reverse=True)), (40,), ("first",)),
    "strided, up to the first sample of a step": (lambda: strided(4, 0), (64,), ("last",)),
    "strided, up to the last sample of a step": (lambda: strided(3, 0), (64,), ("last",)),
    "strided, an odd number of samples": (lambda: strided(4, 0), (61,), ("last",)),
    "anticausal and strided": (lambda: strided(0, 4), (64,), ("first",)),
    "one step ahead": (lambda: stack(nn.Conv1d(2, 2, 3, padding=1), *dilated()), (40,), ("last",)),
    "strictly causal": (lambda: stack(*dilated(), Padded((1, -1), nn.Conv1d(2, 2, 1))), (40,), ("last",)),
    "of the border's value": (lambda: stack(nn.ReplicationPad1d((9, 0)), nn.Conv1d(2, 2, 10)), (40,), ("last",)),
    "decoded by 2": (lambda: decoder(2), (40,), ("last",)),
    "decoded by 8": (lambda: decoder(8), (40,), ("last",)),
    "coded and decoded": (lambda: decoder(4, *strided(4, 0)), (64,), ("last",)),
    "upsampled by 2": (lambda: nearest(2, dilated()), (40,), ("last",)),
    "upsampled by 4": (lambda: nearest(4, dilated()), (40,), ("last",)),
    "anticausal and upsampled": (lambda: nearest(4, dilated(reverse=True)), (40,), ("first",)),
    "down the rows": (lambda: padded_by((1, 1, 2, 0)), (14, 15), ("last", None)),
    "along both axes": (lambda: padded_by((2, 0, 0, 2)), (14, 15), ("first", "last")),
    "in time": (lambda: padded_by((1, 1, 1, 1, 2, 0)), (9, 8, 8), ("last", None, None)),
}


@pytest.mark.parametrize("name", ONE_SIDED)
def test_a_unit_stands_at_the_end_that_nan_poisoning_finds(name):
    torch.manual_seed(0)
    make, size, sides = ONE_SIDED[name]
    network = make().double()
    field = erf.theoretical_receptive_field(network, size, channels=2)
    corner = erf.theoretical_receptive_field(network, size, unit=(1,) * len(size), channels=2)
    assert field.one_sided == corner.one_sided == sides
    assert field.index is not None
    box = poisoned_box(values_at(network, None, field.index), 2, size) or ()
    for (low, high), side, place in zip(box, sides, field.center, strict=True):
        assert place == {"first": low, "last": high - 1, None: (low + high - 1) / 2}[side]
    for each in (field, corner):
        for axis, (jump, start) in enumerate(zip(each.jump, each.start, strict=True)):
            assert jump is None if "decoded" in name or "upsampled" in name else jump >= 1
            assert jump is None or each.center[axis] == start + each.unit[axis] * jump


CENTERD = {
    "padded on both sides": (lambda: stack(*(nn.Conv1d(2, 2, 3, padding=d, dilation=d) for d in (1, 2, 4))), (40,)),
    "without padding": (lambda: stack(*(nn.Conv1d(2, 2, 3, dilation=d) for d in (1, 2, 4))), (40,)),
    "without padding, strided": (lambda: stack(*(nn.Conv1d(2, 2, 5, stride=2) for _ in range(3))), (90,)),
    "padded on both sides, before it is cut": (lambda: nn.Conv1d(2, 2, 5, padding=4), (40,)),
    "strided, as TensorFlow pads": (lambda: strided(1, 2), (64,)),
    "one kernel of 3 to the left": (lambda: stack(*dilated(3, (1,))), (40,)),
    "patches": (lambda: nn.Conv1d(2, 2, 16, stride=16), (64,)),
    "one patch": (lambda: nn.Conv1d(2, 2, 16, stride=16), (16,)),
    "adaptive pooling": (lambda: nn.AdaptiveAvgPool1d(3), (40,)),
    "upsampled": (lambda: stack(nn.Conv1d(2, 2, 3, padding=1), nn.Upsample(scale_factor=2)), (40,)),
    "transposed": (lambda: nn.ConvTranspose1d(2, 2, 4, stride=2, padding=1), (40,)),
    "masked": (lambda: stack(*(Masked(2, 2, 5, padding=2) for _ in range(2))), (12, 12)),
}


@pytest.mark.parametrize("name", CENTERD)
def test_all_other_units_stand_at_the_center(name):
    make, size = CENTERD[name]
    for unit in (None, tuple(0 for _ in size)):
        field = erf.theoretical_receptive_field(make(), size, unit=unit, channels=2)
        assert field.one_sided == (None,) * len(size)
        assert field.center == tuple((low + high - 1) / 2 for low, high in field.box)


symmetric = st.tuples(st.integers(1, 7), st.integers(1, 4), st.integers(1, 3), st.integers(0, 9))
causal = st.tuples(st.integers(2, 5), st.integers(1, 3), st.integers(1, 3))


@given(st.lists(symmetric, min_size=1, max_size=5), st.integers(1, 300))
@settings(max_examples=300)
def test_no_padding_that_is_the_same_on_both_sides_makes_a_field_one_sided(layers, size):
    firsts, lasts, jump = fields_of([(k, s, d, p, p) for k, s, d, p in layers], size)
    assert standing_side(firsts, lasts, (1, jump), size) is None


@given(st.lists(causal, min_size=1, max_size=5), st.integers(1, 300))
@settings(max_examples=300)
def test_padding_on_one_side_does(layers, size):
    firsts, lasts, jump = fields_of([(k, s, d, (k - 1) * d, 0) for k, s, d in layers], size)
    far = lasts[0] - firsts[0] > 2 * jump
    assert standing_side(firsts, lasts, (1, jump), size) == ("last" if far else None)
    assert standing_side(size - 1 - lasts[::-1], size - 1 - firsts[::-1], (1, jump), size) == ("first" if far else None)


layer = st.one_of(
    st.builds(
        lambda k, s, d, p: nn.Conv1d(1, 1, k, s, p, d),
        st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(0, 7),
    ),
    st.builds(
        lambda k, s, p: nn.ConvTranspose1d(1, 1, k + p, s, p), st.integers(1, 8), st.integers(1, 4), st.integers(0, 4)
    ),
    st.builds(nn.Upsample, scale_factor=st.integers(2, 5), mode=st.sampled_from(["nearest", "linear"])),
)  # fmt: skip


@given(st.lists(layer, min_size=1, max_size=3), st.integers(1, 40))
@example([nn.Conv1d(1, 1, 4, 4, 6, 3), nn.Upsample(scale_factor=4)], 5)
@settings(max_examples=150)
def test_no_upsampling_that_is_the_same_on_both_sides_makes_a_field_one_sided(layers, size):
    network = stack(*layers)
    try:
        field = erf.theoretical_receptive_field(network, (size,), channels=1)
    except erf.InvalidInput:  # the image is too small, or a stride leaves holes
        assume(False)
    assert field.one_sided == (None,)


def fields_of(layers, size):
    """Return the units' first and last pixels and their jump; layers are (kernel, stride, dilation, left, right)."""
    first, reach, jump, units = 0, 0, 1, size
    for kernel, stride, dilation, left, right in layers:
        units = (units + left + right - (kernel - 1) * dilation - 1) // stride + 1
        assume(units > 0)
        first, reach, jump = first - left * jump, reach + (kernel - 1) * dilation * jump, jump * stride
    firsts = first + jump * np.arange(units, dtype=float)
    return firsts, firsts + reach, jump


@pytest.mark.parametrize("reverse", [False, True])
def test_units_of_a_scan_stand_where_it_has_come_to(reverse):
    firsts, lasts = np.zeros(50), np.arange(50.0)
    if reverse:
        firsts, lasts = lasts, np.full(50, 49.0)
    assert standing_side(firsts, lasts, None, 50) == ("first" if reverse else "last")


class Scan(nn.Module):
    """Every position goes on from the one before."""

    def forward(self, x):
        states = list(accumulate(x.unbind(-1), lambda state, column: (state + column).tanh()))
        return torch.stack(states, -1)


def test_a_scan_has_the_jump_and_start_of_its_units():
    fields = erf.theoretical_receptive_field(Scan(), (40,), channels=2, unit=[(0,), (30,)])
    assert [(field.jump, field.start, field.center) for field in fields] == [((1,), (0,), (0,)), ((1,), (0,), (30,))]


def test_the_table_of_a_causal_network_starts_where_its_units_stand():
    field = erf.theoretical_receptive_field(stack(*dilated()), (40,))
    assert (field.jump, field.start) == ((1,), (0,))
    assert field.table().splitlines()[-1].split()[-2:] == ["1", "0"]


def test_a_spanned_axis_keeps_the_place_of_what_is_below():
    network = stack(*dilated(), Attention())
    field = erf.theoretical_receptive_field(network, (40,), unit=(30,))
    assert (field.size, field.center) == ((math.inf,), (30,))
    below = stack(*(nn.Conv1d(2, 2, 3, padding=1) for _ in range(3)), Attention())
    assert erf.theoretical_receptive_field(below, (40,), unit=(30,)).center == (30,)


def test_a_layer_without_rows_and_columns_stands_at_the_center_of_its_box():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = stack(*dilated())

        def forward(self, x):
            return self.body(x)[..., -1]

    field = erf.theoretical_receptive_field(Last(), (40,))
    assert (field.box, field.center, field.one_sided) == (((25, 40),), (32.0,), (None,))


def test_sizes_and_radii_of_a_causal_map_are_about_the_unit():
    torch.manual_seed(0)
    blocks = [Residual(*dilated(3, (d,))) for d in (1, 2, 4, 8, 16, 32)]
    network, images = stack(*blocks).double(), torch.randn(8, 2, 200, dtype=torch.float64)
    imap = erf.effective_receptive_field(network, images, unit=(180,))
    field = erf.theoretical_receptive_field(network, (200,), unit=(180,))
    assert imap.center == field.center == (180,)
    assert imap.trf_box == ((180 - 126, 181),)
    threshold = (1 - 0.9545) * imap.values[180]
    assert erf.erf_size(imap) == np.count_nonzero(imap.values > threshold)
    held = np.cumsum(imap.values[180::-1]) / imap.values.sum()
    assert erf.mass_radius(imap, 0.5) == np.searchsorted(held, 0.5)
    assert erf.mass_within(imap, 10) == pytest.approx(held[10], rel=1e-12)
    radius = int(np.searchsorted(held, 0.5))
    assert erf.contribution_area_ratio(imap, 0.5) == min(2 * radius + 1, radius + 20) / 200
    compared = erf.compare(field, imap)
    assert (compared.erf_size, compared.r50) == (erf.erf_size(imap), erf.mass_radius(imap, 0.5))
    assert [note for note in imap.diagnostics if "one-sided" in note] == [
        "along axis 0 the field is one-sided: the unit stands at its last pixel, and sizes and radii are about there"
    ]


def test_a_centered_map_has_no_such_note():
    imap = erf.effective_receptive_field(nn.Conv2d(2, 2, 5, padding=2), torch.randn(1, 2, 12, 12))
    assert not imap.diagnostics
