"""Operators that stand in few networks, against NaN poisoning: with a rule, and joined where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.ops import DeformConv2d

from erf import effective_receptive_field, theoretical_receptive_field
from erf.errors import InvalidInput
from erf.reachability.forward import trace
from tests.erf.hard_cases import Forward
from tests.oracles.nan_poisoning import poisoned_box, values_at

PLANE, LINE = (9, 8), (12,)


def before_3x3(operation: Callable[[Tensor], Tensor]) -> Callable[[], nn.Module]:
    return lambda: Forward(lambda x, conv: conv(operation(x)), nn.Conv2d(2, 2, 3, padding=1))


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.RNNBase], batch_first: bool = True, **options: Any) -> None:
        super().__init__()
        self.order = (0, 2, 1) if batch_first else (2, 0, 1)
        self.layer = kind(2, 4, batch_first=batch_first, **options)

    def forward(self, x: Tensor) -> Tensor:
        output = self.layer(x.permute(self.order))[0]
        return output.permute([self.order.index(dim) for dim in range(3)])


class Deformable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.offsets, self.conv = nn.Conv2d(2, 18, 3, padding=1), DeformConv2d(2, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x, self.offsets(x).nan_to_num())  # torchvision crashes where an offset is NaN


def spectrogram(x: Tensor) -> Tensor:
    window = torch.ones(8, dtype=x.dtype, device=x.device)
    return torch.stft(x.flatten(0, 1), 8, 4, window=window, center=False, return_complex=True).abs()


def folded(x: Tensor) -> Tensor:
    return F.fold(F.unfold(x, 3, padding=1, stride=2), x.shape[2:], 3, padding=1, stride=2)


def written_by_list(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, [0]] = x[:, [1]]
    return y


def dynamic(x: Tensor) -> Tensor:
    return F.conv2d(x, x.mean((0, 2, 3))[:, None, None, None].expand(2, 2, 3, 3), padding=1)


EXACT = {  # the boxes are those that NaN poisoning finds
    "running sum": (before_3x3(lambda x: x.cumsum(2)), PLANE),
    "running sum from the end": (before_3x3(lambda x: x.flip(3).cumsum(3).flip(3)), PLANE),
    "running maximum": (before_3x3(lambda x: x.logcumsumexp(3)), PLANE),
    "GRU": (lambda: Recurrent(nn.GRU), LINE),
    "GRU both ways": (lambda: Recurrent(nn.GRU, bidirectional=True), LINE),
    "two layers both ways": (lambda: Recurrent(nn.GRU, bidirectional=True, num_layers=2), LINE),
    "LSTM": (lambda: Recurrent(nn.LSTM, batch_first=False, num_layers=2), LINE),
    "plain recurrent layer": (lambda: Recurrent(nn.RNN), LINE),
    "Fourier filter": (before_3x3(lambda x: torch.fft.irfft2(torch.fft.rfft2(x), s=x.shape[-2:])), PLANE),
    "Fourier filter of the rows": (before_3x3(lambda x: torch.fft.fft(x, dim=3).real), PLANE),
    "spectrogram": (lambda: Forward(spectrogram), (40,)),
    "fold": (before_3x3(folded), PLANE),
    "quarter turn": (before_3x3(lambda x: x.rot90(1, (2, 3))), PLANE),
    "half turn": (before_3x3(lambda x: x.rot90(2, (2, 3))), PLANE),
    "channels by a list": (before_3x3(lambda x: x[:, [1, 0]]), PLANE),
    "rows by a list": (before_3x3(lambda x: x[:, :, [2, 1, 0, 3, 4, 5, 6, 7, 8]]), PLANE),
    "write by a list": (before_3x3(written_by_list), PLANE),
    "whole division": (before_3x3(lambda x: x // 2), PLANE),
    "unsafe split": (before_3x3(lambda x: torch.cat(torch.unsafe_split(x, 1, 1), 1)), PLANE),
    "pixel shuffle": (before_3x3(lambda x: F.pixel_unshuffle(F.pixel_shuffle(x.tile(2, 1, 1), 2), 2)[:, :2]), PLANE),
    "kernels made of the image": (before_3x3(dynamic), PLANE),
    "into a tensor that is given": (
        lambda: Forward(lambda x, c: torch.cat([x, c(x)], 1, out=x.new_empty(0)), nn.Conv2d(2, 2, 3, 1, 1)),
        PLANE,
    ),
}  # fmt: skip

SAFE = {  # positions by value: more can be read than is read here
    "sort": (before_3x3(lambda x: x.sort(3).values), PLANE),
    "topk": (before_3x3(lambda x: x.topk(3, 3).values), PLANE),
    "middle value": (before_3x3(lambda x: x.kthvalue(3, 3, keepdim=True).values), PLANE),
    "grid_sample": (
        before_3x3(lambda x: F.grid_sample(x, x.permute(0, 2, 3, 1).tanh(), align_corners=False)),
        PLANE,
    ),
    "deformable convolution": (Deformable, PLANE),
    "gather by value": (before_3x3(lambda x: x.gather(3, x.argsort(3))), PLANE),
    "index by value": (before_3x3(lambda x: x[:, :, :, x[0, 0, 0].argsort()]), PLANE),
    "scatter": (before_3x3(lambda x: torch.zeros_like(x).scatter_add(3, x.argsort(3), x)), PLANE),
}


def prod_of_list(x: Tensor) -> Tensor:
    return torch._foreach_mul([x, x * 2], 2.0)[0]


def written_in_a_list(x: Tensor, conv: nn.Module) -> Tensor:
    y = x * 0
    torch._foreach_add_([y], [conv(x)])
    return y


JOINED = {
    "renorm": (before_3x3(lambda x: x.renorm(2, 1, 1.0)), PLANE),
    "foreach": (before_3x3(prod_of_list), PLANE),
    "foreach in place": (lambda: Forward(written_in_a_list, nn.Conv2d(2, 2, 3, padding=1)), PLANE),
    "pooling at drawn places": (
        before_3x3(lambda x: F.interpolate(F.fractional_max_pool2d(x, 2, 4), x.shape[2:])),
        PLANE,
    ),
}


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make().eval().double().requires_grad_(False)


def boxes(network: nn.Module, size: tuple[int, ...]) -> list[tuple[Any, Any]]:
    """What the pass says, and what NaN poisoning finds, of units at both ends and in the middle."""
    step = trace(network, size, 2, bounded=True).steps[-1]
    grid = step.outputs[0][0].shape[2:]
    pairs = []
    for share in (0.0, 0.5, 1.0):
        place = (0, slice(None), *(round(share * (n - 1)) for n in grid))
        numbers = [reach.dense()[(slice(None), *place)].reshape(4, -1).min(1)[:2] for reach in step.outputs[0]]
        said = tuple((int(first), int(1 - last)) if np.isfinite(first) else None for first, last in numbers)
        pairs.append((said, poisoned_box(values_at(network, None, place), 2, size)))
    return pairs


def contains(box: Any, inner: Any) -> bool:
    return all(low <= first and high >= end for (low, high), (first, end) in zip(box, inner, strict=True))


@pytest.mark.parametrize(("make", "size"), EXACT.values(), ids=EXACT)
def test_operators_with_a_rule_read_what_nan_poisoning_finds(make: Any, size: tuple[int, ...]) -> None:
    network = seeded(make)
    for said, poisoned in boxes(network, size):
        assert said == poisoned
    field = theoretical_receptive_field(network, size, channels=2)
    assert field.assumptions == ()
    assert field.index is not None
    place = (0, *field.index[1:])
    assert contains(field.box, poisoned_box(values_at(network, None, place), 2, size))


@pytest.mark.parametrize(("make", "size"), [*SAFE.values(), *JOINED.values()], ids=[*SAFE, *JOINED])
def test_other_operators_are_never_too_small(make: Any, size: tuple[int, ...]) -> None:
    network = seeded(make)
    for said, poisoned in boxes(network, size):
        assert contains(said, poisoned)
    field = theoretical_receptive_field(network, size, channels=2)
    place = (0, *field.index[1:]) if field.index else (0,)
    assert contains(field.box, poisoned_box(values_at(network, None, place), 2, size))


@pytest.mark.parametrize(("make", "size"), JOINED.values(), ids=JOINED)
def test_what_has_no_rule_spans_the_image_and_is_named_once(make: Any, size: tuple[int, ...]) -> None:
    field = theoretical_receptive_field(make(), size, channels=2)
    assert field.size == (np.inf, np.inf)
    (sentence,) = field.assumptions
    assert "has no rule: all that it reads is taken to reach all that it gives" in sentence


def test_only_what_runs_before_the_layer_is_assumed() -> None:
    network = nn.Sequential(nn.Conv2d(2, 2, 3), Forward(lambda x: x.renorm(2, 1, 1.0)), nn.ReLU())
    fields = theoretical_receptive_field(network, PLANE, ["0", "1", "2"], channels=2)
    assert [len(field.assumptions) for field in fields.values()] == [0, 1, 1]
    assert [field.grid for field in fields.values()] == [(7, 6)] * 3
    assert fields["2"].local.size == (3, 3)


def test_the_units_of_an_output_of_another_shape_stand_nowhere() -> None:
    field = theoretical_receptive_field(Forward(lambda x: F.fractional_max_pool2d(x, 2, 4)), PLANE, channels=2)
    assert (field.size, field.jump, field.start) == ((np.inf, np.inf), (None, None), (None, None))


def test_a_map_behind_an_operator_without_a_rule_is_measured_on_the_whole_image() -> None:
    network = nn.Sequential(nn.Conv2d(2, 2, 3), Forward(lambda x: x.renorm(2, 1, 1.0)))
    imap = effective_receptive_field(network.double(), torch.randn(2, 2, 64, 64, dtype=torch.float64))
    assert imap.values.shape == (64, 64)
    assert imap.values.all()


def test_an_operator_of_another_library_has_no_rule_of_torch_s_by_its_name() -> None:
    with torch.library._scoped_library("erf_tests", "DEF") as library:
        library.define("relu(Tensor x) -> Tensor")
        library.impl("relu", lambda x: x.flip(2), "CompositeExplicitAutograd")
        field = theoretical_receptive_field(Forward(lambda x: torch.ops.erf_tests.relu(x)), PLANE, channels=2)
    assert field.size == (np.inf, np.inf)
    assert len(field.assumptions) == 1


def test_a_tensor_that_takes_another_s_storage_is_refused() -> None:
    def swapped(x: Tensor) -> Tensor:
        y = torch.empty_like(x)
        y.set_(x.flip(2))
        return y

    with pytest.raises(InvalidInput, match="gives a tensor another's storage"):
        theoretical_receptive_field(Forward(swapped), PLANE, channels=2)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 1), st.integers(1, 2)),
    st.integers(6, 11),
    st.floats(0, 1),
)
def test_fold_reads_what_nan_poisoning_finds(window: tuple[int, int, int, int], size: int, share: float) -> None:
    kernel, stride, padding, dilation = window
    padding = min(padding, kernel // 2)
    windows = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    assume(windows > 0)
    options = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    network = Forward(lambda x: F.fold(F.unfold(x, **options), x.shape[2:], **options))
    step = trace(network, (size, size), 2, bounded=True).steps[-1]
    unit = round(share * (size - 1))
    poisoned = poisoned_box(values_at(network, None, (0, slice(None), unit, unit)), 2, (size, size))
    numbers = [reach.dense()[:, 0, :, unit, unit].min(1)[:2] for reach in step.outputs[0]]
    said = tuple((int(first), int(1 - last)) for first, last in numbers if np.isfinite(first)) or None
    if poisoned is not None and windows == 1:  # is taken to lie anywhere
        assert contains(said, poisoned)
    else:
        assert windows == 1 or said == poisoned


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(["sum", "conv", "stride", "flip"]), min_size=1, max_size=5), st.floats(0, 1))
def test_running_sums_among_convolutions_are_one_sided_as_nan_poisoning_finds(steps: list[str], share: float) -> None:
    make = {
        "sum": lambda: Forward(lambda x: x.cumsum(2)),
        "conv": lambda: nn.Conv1d(2, 2, 3, padding=1),
        "stride": lambda: nn.Conv1d(2, 2, 2, stride=2, padding=1),
        "flip": lambda: Forward(lambda x: x.flip(2)),
    }
    network = seeded(lambda: nn.Sequential(*(make[step]() for step in steps)))
    units = network(torch.zeros(1, 2, 40, dtype=torch.float64)).shape[2]
    unit = round(share * (units - 1))
    poisoned = poisoned_box(values_at(network, None, (0, slice(None), unit)), 2, (40,))
    (reach,) = trace(network, (40,), 2, bounded=True).steps[-1].outputs[0]
    first, last = reach.dense()[:, 0, :, unit].min(1)[:2]
    assert ((int(first), int(1 - last)),) == poisoned
    field = theoretical_receptive_field(network, (40,), unit=(unit,), channels=2)
    assert contains(field.box, poisoned)
    assert (field.size[0] == np.inf) == ("sum" in steps)


def scaled_by(read: Callable[[Tensor], float]) -> nn.Module:
    """Return a network that multiplies by what was read off a tensor outside of torch."""
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1))
    return Forward(lambda x, pair: pair[1](pair[0](x) * read(pair[0](x))), layers)


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.abs().mean().item(),
        lambda x: float(x.abs().max()),
        lambda x: max(x.flatten().tolist()),
        lambda x: float(x.numpy().max()),
        lambda x: float(np.asarray(x).max()),
        lambda x: 1.0 if (x > 0).any() else 2.0,
        lambda x: 1.0 if torch.equal(x, -x) else 2.0,
    ],
)
def test_behind_values_that_left_for_python_all_pixels_may_count(read: Callable[[Tensor], float]) -> None:
    field = theoretical_receptive_field(scaled_by(read), PLANE)
    assert field.size == (np.inf, np.inf)
    assert any("reads values: all that follows is taken to depend on all pixels" in one for one in field.assumptions)
    assert any("the field is that of noise" in one for one in field.assumptions)


def test_values_that_no_pixel_reaches_may_leave_for_python() -> None:
    field = theoretical_receptive_field(scaled_by(lambda _: torch.arange(5).sum().item()), PLANE)
    assert (field.size, field.assumptions) == ((5, 5), ())
