"""The fields of hard cases and of drawn networks, against NaN poisoning and larger images."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from erf.errors import InvalidInput
from erf.reachability.forward import trace
from erf.reachability.receptive_field import theoretical_receptive_field
from tests.erf.hard_cases import LINE, PLANE, VOLUME, Forward, Network
from tests.erf.reachability.bounded_boxes import bounded_box, seeded, within
from tests.oracles.nan_poisoning import poisoned_box, values_at

NEEDS_MULTIPLES_OF_4 = {"shifted windows", "pixel unshuffle", "focus"}
CASES = [
    *((name, make, size) for name, make in PLANE.items() for size in [(16, 12), (17, 13)]
      if size == (16, 12) or name not in NEEDS_MULTIPLES_OF_4),
    *((name, make, (19,)) for name, make in LINE.items()),
    *((name, make, (7, 9, 8)) for name, make in VOLUME.items()),
]  # fmt: skip
IDS = [f"{name}-{size}" for name, _, size in CASES]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(("name", "make", "size"), CASES, ids=IDS)
def test_hard_cases_read_what_nan_poisoning_finds(name: str, make: Network, size: tuple[int, ...]) -> None:
    """Exactly, borders and holes included, once padding is told to read nothing."""
    network = seeded(make)
    step = trace(network, size, 2, bounded=True).steps[-1]
    grid = step.outputs[0][0].shape[2:]
    for share in (0.0, 0.5, 1.0):
        place = (0, slice(None), *(round(share * (n - 1)) for n in grid))
        assert bounded_box(step, place) == poisoned_box(values_at(network, None, place), 2, size), (name, place)


# Where a layer pads by more than it reads, or dilates into the padding, a field on an unbounded image ends beyond the
# border, while on this one the pixels in reach end before it.
ENDS_BEFORE_THE_BORDER = {("1-D", (19,))}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(("name", "make", "size"), CASES, ids=IDS)
def test_hard_cases_clip_to_what_nan_poisoning_finds(name: str, make: Network, size: tuple[int, ...]) -> None:
    network = seeded(make)
    field = theoretical_receptive_field(network, size, channels=2)
    grid = trace(network, size, 2).steps[-1].outputs[0][0].shape[2:]
    poisoned = poisoned_box(values_at(network, None, (0, slice(None), *(n // 2 for n in grid))), 2, size)
    assert (within(field.box, size) == poisoned) == ((name, size) not in ENDS_BEFORE_THE_BORDER)


@st.composite
def stacks(draw: st.DrawFn, depth: int = 4, grow: bool = True) -> Callable[[], nn.Module]:
    """A random network on 1-D maps of 2 channels: layers, residual and dense branches."""
    return draw(st.lists(_layers(depth, grow), min_size=1, max_size=depth).map(_sequential))


def _sequential(makes: list[Network]) -> Network:
    return lambda: nn.Sequential(*(make() for make in makes))


def _layers(depth: int, grow: bool) -> st.SearchStrategy[Network]:
    kinds = [_same_size(), _pooling(), _slicing()]
    if grow:
        kinds += [_upsampling()]
    if depth > 1:
        inner = st.lists(_same_size(), min_size=1, max_size=3).map(_sequential)
        kinds += [st.tuples(inner, inner).map(_residual), st.tuples(inner, inner).map(_dense)]
    return st.one_of(kinds)


def _same_size() -> st.SearchStrategy[Network]:
    """Odd kernels with padding, a roll, a flip: what branches may hold."""
    convs = st.tuples(st.sampled_from([1, 3, 5]), st.integers(1, 3), st.sampled_from([1, 2]))
    rolls = st.integers(-3, 3).map(lambda n: lambda: Forward(lambda x: x.roll(n, 2)))
    return st.one_of(convs.map(_padded_conv), rolls, st.just(lambda: Forward(lambda x: x.flip(2))))


def _padded_conv(options: tuple[int, int, int]) -> Network:
    kernel, dilation, groups = options
    padding = (kernel - 1) // 2 * dilation
    return lambda: nn.Conv1d(2, 2, kernel, padding=padding, dilation=dilation, groups=groups)


def _pooling() -> st.SearchStrategy[Network]:
    pools = st.tuples(st.integers(2, 4), st.integers(1, 3), st.integers(0, 1), st.booleans())
    return st.one_of(
        pools.map(lambda p: lambda: nn.MaxPool1d(p[0], p[1], p[2], ceil_mode=p[3])),
        pools.map(lambda p: lambda: nn.AvgPool1d(p[0], p[1], p[2], ceil_mode=p[3])),
        st.integers(3, 9).map(lambda n: lambda: nn.AdaptiveAvgPool1d(n)),
    )


def _slicing() -> st.SearchStrategy[Network]:
    slices = st.tuples(st.integers(0, 2), st.integers(1, 2), st.integers(1, 2))
    return st.one_of(
        slices.map(lambda s: lambda: Forward(lambda x: x[..., s[0] : x.shape[2] - s[1] : s[2]])),
        slices.map(lambda s: lambda: Forward(lambda x: F.pad(x, (s[0], s[1])))),
        st.just(lambda: Forward(_pairs)),
    )


def _pairs(x: Tensor) -> Tensor:
    """A window that is all there is would span the axis."""
    if x.shape[2] < 4:
        raise RuntimeError("too short")
    return x[:, :, x.shape[2] % 2 :].unflatten(2, (-1, 2)).amax(3)


def _upsampling() -> st.SearchStrategy[Network]:
    up = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.integers(0, 1))
    return st.one_of(
        up.map(lambda u: lambda: nn.ConvTranspose1d(2, 2, u[0] + 1, u[1], u[3], dilation=u[2])),
        st.sampled_from(["nearest", "linear"]).map(lambda mode: lambda: nn.Upsample(scale_factor=2, mode=mode)),
        st.just(lambda: Forward(lambda x: x.reshape(x.shape[0], 2, -1, 1).expand(-1, -1, -1, 2).flatten(2))),
    )


def _residual(branches: tuple[Network, Network]) -> Network:
    return lambda: Forward(lambda x, a, b: a(x) + b(a(x)) + x, branches[0](), branches[1]())


def _dense(branches: tuple[Network, Network]) -> Network:
    """The second branch sees one channel of the first and one of the input: channels are not all alike."""
    return lambda: Forward(
        lambda x, a, b: torch.cat([x[:, :1], b(torch.cat([x[:, 1:], a(x)[:, :1]], 1))[:, 1:]], 1),
        branches[0](), branches[1](),
    )  # fmt: skip


def units_of(network: nn.Module, size: int) -> int:
    """The length of the output; networks that leave nothing over are not drawn."""
    try:
        units = network(torch.zeros(1, 2, size, dtype=torch.float64)).shape[2]
    except RuntimeError:
        reject()
    assume(units)
    return units


@settings(max_examples=60)
@given(stacks(), st.floats(0, 1))
def test_drawn_networks_read_what_nan_poisoning_finds(make: Network, share: float) -> None:
    network = seeded(make)
    place = (0, slice(None), round(share * (units_of(network, 24) - 1)))
    step = trace(network, (24,), 2, bounded=True).steps[-1]
    assert bounded_box(step, place) == poisoned_box(values_at(network, None, place), 2, (24,))


@settings(max_examples=30)
@given(stacks(), st.floats(0.3, 0.7))
def test_drawn_networks_have_the_box_of_a_large_image(make: Network, share: float) -> None:
    """Far from the border an image is unbounded, and the box is what is found there."""
    network = seeded(make)
    unit = round(share * (units_of(network, 200) - 1))
    poisoned = poisoned_box(values_at(network, None, (0, slice(None), unit)), 2, (200,))
    if poisoned is None:
        with pytest.raises(InvalidInput, match="no input pixel reaches"):
            theoretical_receptive_field(network, (200,), unit=(unit,), channels=2)
        return
    field = theoretical_receptive_field(network, (200,), unit=(unit,), channels=2)
    if not field.clipped[0]:
        assert field.box == poisoned
        assert field.size[0] == poisoned[0][1] - poisoned[0][0]
