"""Tensors that no operator returned, operators that change shapes, and parts of axes: against NaN poisoning."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from erf import theoretical_receptive_field
from erf.errors import InvalidInput
from erf.reachability.forward import trace
from tests.erf.hard_cases import Forward
from tests.oracles.nan_poisoning import poisoned_box

SIZE = (12, 16)
Conv = Callable[[Tensor], Tensor]


class Marked(Tensor):
    """A subclass that does nothing."""


def conv() -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(2, 2, 3, padding=1)


def into_data(x: Tensor, value: Tensor) -> Tensor:
    x.data = value
    return x


def each(operation: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Conv], Tensor]:
    """Call an operation image by image, without the dimension of the batch."""
    return lambda x, conv: torch.stack([operation(image) for image in conv(x)])


def changed(x: Tensor, change: Callable[[Tensor], object]) -> Tensor:
    change(x)
    return x


def prefixed(x: Tensor) -> Tensor:
    """Return tokens behind one that no pixel reaches, as classes have."""
    tokens = x.flatten(2).transpose(1, 2)
    return torch.cat([tokens.new_ones(len(x), 1, x.shape[1]), tokens], 1)


def _strips(x: Tensor, conv: Conv, rows: Tensor, columns: Tensor, dim: int = 2) -> Tensor:
    """Coordinate attention: both strips, one after the other, through the same layer."""
    strips = conv(torch.cat([rows.transpose(2, dim), columns.transpose(3, dim)], dim)).relu()
    row, column = strips.split([x.shape[2], x.shape[3]], dim)
    return x * row.transpose(2, dim).sigmoid() * column.transpose(3, dim).sigmoid()


SAME_STORAGE = {
    "as_subclass": lambda x, conv: conv(conv(x).as_subclass(Marked)),
    "make_subclass": lambda x, conv: conv(Tensor._make_subclass(Marked, conv(x))),
    "parameter": lambda x, conv: conv(nn.Parameter(conv(x), requires_grad=False)),
    "added": lambda x, conv: x + conv(conv(x).as_subclass(Marked)),
    "of a view": lambda x, conv: conv(conv(x).transpose(2, 3).as_subclass(Marked)).transpose(2, 3),
    "written after": lambda x, conv: conv(changed(conv(x), lambda y: y.as_subclass(Marked).add_(conv(x)))),
    "data": lambda x, conv: conv(conv(x).data),
    "into data": lambda x, conv: conv(into_data(torch.empty_like(x), conv(x))),
    "into the data of the image": lambda x, conv: conv(into_data(x.clone(), conv(conv(x)))),
    "constants": lambda x, conv: conv(x) + nn.Parameter(x.new_zeros(1)) + torch.tensor(0.5, device=x.device),
}
SHAPES = {
    "unfold of one": each(lambda x: F.fold(F.unfold(x, 3, padding=1), x.shape[1:], 3, padding=1)),
    "strided unfold of one": each(lambda x: F.fold(F.unfold(x, 2, stride=2), x.shape[1:], 2, stride=2)),
    "dilated unfold of one": each(lambda x: F.unfold(x, 3, 2, 2).unflatten(1, x.shape[1:])),
    "pixel_unshuffle of one": each(lambda x: F.pixel_unshuffle(x, 2)),
    "pixel_shuffle of one": each(lambda x: F.pixel_shuffle(torch.cat([x, x]), 2)),
    "pixel_unshuffle of many": lambda x, conv: F.pixel_unshuffle(conv(x)[None], 2)[0],
    "pixel_shuffle of many": lambda x, conv: F.pixel_shuffle(conv(x).repeat(1, 2, 1, 1)[None], 2)[0],
    "pooling of one": each(lambda x: F.max_pool2d(x, 3, 1, 1)),
    "transpose_ of a view": lambda x, conv: conv(changed(conv(x)[:, :, ::2], lambda y: y.transpose_(2, 3))),
    "unsqueeze_ of a view": lambda x, conv: changed(conv(x)[:, :, ::2], lambda y: y.unsqueeze_(0))[0],
    "squeeze_ of a view": lambda x, conv: conv(changed(conv(x)[:, None], lambda y: y.squeeze_(1)) + x),
    "t_ of rows": lambda x, conv: conv(x) + changed(conv(x)[0, 0], lambda y: y.t_()).t(),
}
PARTS = {
    "tokens": lambda x, conv: conv(changed(conv(x), lambda y: y.flatten(2)[:, :, 3:7].copy_(x.flatten(2)[:, :, 3:7]))),
    "all tokens": lambda x, conv: conv(changed(conv(x), lambda y: y.flatten(2).add_(conv(x).flatten(2)))),
    "every second token": lambda x, conv: conv(changed(conv(x), lambda y: y.flatten(2)[..., ::2].add_(1))),
    "tokens of columns": lambda x, conv: conv(
        changed(conv(x).permute(0, 2, 3, 1), lambda y: y.flatten(1, 2)[:, 5:9].add_(1)).permute(0, 3, 1, 2)
    ),
    "filled tokens": lambda x, conv: conv(changed(conv(x), lambda y: y.view(2, 2, -1)[:, :, 40:44].zero_())),
    "two halves": lambda x, conv: conv(torch.cat([conv(x), x], 2)[:, :, : x.shape[2]]),
    "masked": lambda x, conv: conv(x).masked_fill(x > 0, -1.0).masked_fill_(x < 0, 1.0),
    "masked by a tensor": lambda x, conv: conv(x).masked_fill(x > 0, torch.tensor(1.0, device=x.device)),
    "tokens behind a class": lambda x, conv: prefixed(conv(x)).split([1, 192], 1)[1].mean(2).view(2, 12, 16),
    "the other half": lambda x, conv: conv(torch.cat([conv(x), x], 2)[:, :, x.shape[2] :]),
}  # fmt: skip
STRIPS = {
    "means": lambda x, conv: _strips(x, conv, x.mean(3, keepdim=True), x.mean(2, keepdim=True)),
    "pools": lambda x, conv: _strips(x, conv, F.adaptive_avg_pool2d(x, (None, 1)), F.adaptive_avg_pool2d(x, (1, None))),
    "maxima": lambda x, conv: _strips(x, conv, x.amax(3, keepdim=True), x.amax(2, keepdim=True)),
    "side by side": lambda x, conv: _strips(x, conv, x.mean(3, keepdim=True), x.mean(2, keepdim=True), 3),
}


def assert_holds_what_reaches(network: nn.Module) -> None:
    """The box of several units holds all pixels that make the unit NaN."""
    network = network.double().eval()
    grid = theoretical_receptive_field(network, SIZE, channels=2).grid
    assert grid is not None
    for unit in {tuple(n // k for n in grid) for k in (2, 3, 5)}:
        field = theoretical_receptive_field(network, SIZE, unit=unit, channels=2)
        poisoned = poisoned_box(lambda image, at=field.index: network(image.expand(2, -1, -1, -1))[at], 2, SIZE)
        assert poisoned is not None
        for (low, high), (first, end) in zip(field.box, poisoned, strict=True):
            assert low <= first < end <= high, (unit, field.box, poisoned)


@pytest.mark.parametrize("forward", SAME_STORAGE.values(), ids=SAME_STORAGE)
def test_a_tensor_keeps_its_field_in_another_object(forward: Callable[..., Tensor]) -> None:
    network = Forward(forward, conv())
    field = theoretical_receptive_field(network, SIZE, channels=2)
    assert np.isfinite(field.size).all()
    assert not field.assumptions
    assert_holds_what_reaches(network)


@pytest.mark.parametrize("forward", (SHAPES | PARTS).values(), ids=SHAPES | PARTS)
def test_shapes_and_parts_keep_their_field(forward: Callable[..., Tensor]) -> None:
    assert_holds_what_reaches(Forward(forward, conv()))


def test_boxes_between_all_pairs_of_tokens_are_not_kept() -> None:
    """Of 1025 tokens, one without a place, they take 32 MiB, twice an axis."""

    def attention(x: Tensor) -> Tensor:
        tokens = prefixed(x)
        return (tokens @ tokens.transpose(1, 2)).softmax(-1) @ tokens

    passed = trace(Forward(lambda x, conv: attention(conv(x)), conv()), (32, 32), 2)
    sizes = [reach.values.nbytes for each in passed.operations for boxes in each.reaches if boxes for reach in boxes]
    assert 0 in sizes
    assert sum(sizes) < 2**24


@pytest.mark.parametrize("forward", STRIPS.values(), ids=STRIPS)
def test_coordinate_attention_has_units(forward: Callable[..., Tensor]) -> None:
    network = Forward(lambda x, first, shared: forward(first(x), shared), conv(), nn.Conv2d(2, 2, 1))
    field = theoretical_receptive_field(network, SIZE)
    assert (field.size, field.local.size, field.grid) == ((np.inf, np.inf), (3, 3), SIZE)
    assert_holds_what_reaches(network)


COUNTS = {
    "nonzero": lambda x: x.relu().nonzero().shape[0],
    "rows of a mask": lambda x: x[x > 0].shape[0],
    "size": lambda x: x[x > 0].size(0),
    "len": lambda x: len(x.masked_select(x > 0)),
    "numel": lambda x: (2 * x[x > 0]).numel(),
    "unique": lambda x: len(x.round().unique()),
    "where": lambda x: len(torch.where(x > 0)[0]),
    "repeated": lambda x: x[0, 0, 0].repeat_interleave((x[0, 0, 0] > 0).long()).shape[0],
}


@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS)
def test_a_count_read_off_a_shape_is_a_value(count: Callable[[Tensor], int]) -> None:
    field = theoretical_receptive_field(Forward(lambda x, conv: conv(x) * count(x), conv()), SIZE)
    assert field.size == (np.inf, np.inf)
    assert any("depends on values: all that follows" in sentence for sentence in field.assumptions)


def test_a_chosen_part_whose_length_nobody_reads_is_no_value() -> None:
    network = Forward(lambda x, conv: conv(x) + x[x > 0].mean(), conv())
    assert theoretical_receptive_field(network, SIZE).local.size == (3, 3)
    assert not any("depends on values: all" in each for each in theoretical_receptive_field(network, SIZE).assumptions)


@cache
def positions(size: torch.Size, device: torch.device) -> Tensor:
    return torch.linspace(0, 1, size.numel(), device=device).view(size)


def test_what_a_function_has_kept_of_an_earlier_pass_is_a_constant_unless_pixels_reached_it() -> None:
    network = Forward(lambda x, conv: conv(x) + positions(x.shape, x.device), conv())
    for _ in range(2):
        field = theoretical_receptive_field(network, SIZE)
        assert (field.size, field.assumptions) == ((3, 3), ())
    earlier: list[Tensor] = []
    network = Forward(lambda x, conv: earlier.append(conv(x)) or conv(x) + earlier[0], conv())
    assert theoretical_receptive_field(network, SIZE).assumptions == ()
    assert "unknown origin" in theoretical_receptive_field(network, SIZE).assumptions[0]


def in_a_thread(work: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work, x).result()


@pytest.mark.parametrize("after", [lambda x, y: y, lambda x, y: x + y, lambda x, y: x + y.mean()])
def test_a_module_in_a_thread_is_refused_by_name(after: Callable[[Tensor, Tensor], Tensor]) -> None:
    network = Forward(lambda x, conv: after(x, in_a_thread(conv, conv(x))), conv())
    with pytest.raises(InvalidInput, match=r"module 'layers.0' runs in a thread of its own"):
        theoretical_receptive_field(network, SIZE)


@pytest.mark.parametrize("after", [lambda x, y: y, lambda x, y: x + y, lambda x, y: x * y.amax()])
def test_operators_in_a_thread_are_taken_to_read_all_pixels(after: Callable[[Tensor, Tensor], Tensor]) -> None:
    network = Forward(lambda x, conv: after(x, in_a_thread(lambda y: F.avg_pool2d(y, 3, 1, 1), conv(x))), conv())
    field = theoretical_receptive_field(network, SIZE)
    assert field.size == (np.inf, np.inf)
    assert "has a tensor of unknown origin: all pixels may reach it" in field.assumptions[0]


def decided(x: Tensor) -> Tensor:
    """Return the same, by a decision that takes a pass on images."""
    return x if x.new_ones(2).nonzero().numel() else 2 * x


@pytest.mark.parametrize("after", [lambda x, y: y, lambda x, y: x + y, lambda x, y: x * y.amax()])
def test_operators_in_a_thread_are_seen_on_images_too(after: Callable[[Tensor, Tensor], Tensor]) -> None:
    with ThreadPoolExecutor(1) as pool:  # which was there before the network runs
        pool.submit(torch.ones, 1).result()
        pooled = partial(pool.submit, F.avg_pool2d, kernel_size=3, stride=1, padding=1)
        network = Forward(lambda x, conv: after(x, pooled(decided(conv(x))).result()), conv())
        field = theoretical_receptive_field(network, SIZE)
    assert field.size == (np.inf, np.inf)
    assert any("has a tensor of unknown origin: all pixels may reach it" in each for each in field.assumptions)


MADE = {
    "numbers": lambda x: torch.tensor([1.0, 2.0]).view(2, 1, 1),
    "one number": lambda x: torch.as_tensor(3.0),
    "numpy's": lambda x: torch.from_numpy(np.ones((2, 1, 1), dtype=np.float32)),
    "of numpy's": lambda x: torch.tensor(np.ones(1, dtype=np.float32)),
    "of a buffer": lambda x: torch.frombuffer(bytearray(8), dtype=torch.float32).view(2, 1, 1),
    "parameter": lambda x: nn.Parameter(torch.ones(1), requires_grad=False),
    "range": lambda x: torch.linspace(0, 1, x.shape[3]),
    "drawn": lambda x: torch.rand(x.shape[2:]),
    "old constructor": lambda x: torch.FloatTensor([1.0]),
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_what_is_made_beside_the_images_is_a_constant(make: Callable[[Tensor], Tensor]) -> None:
    field = theoretical_receptive_field(Forward(lambda x, conv: conv(decided(x)) + make(x), conv()), SIZE)
    assert (field.size, field.assumptions) == ((3, 3), ())


def test_what_was_there_before_the_images_ran_is_a_constant() -> None:
    for before in (torch.ones(2, 1, 1), torch.ones(2, 4, 4)[:, 1:2, 3:]):
        network = Forward(lambda x, conv, other=before: conv(decided(x)) + other.data, conv())
        assert theoretical_receptive_field(network, SIZE).size == (3, 3)


def nested(x: Tensor, make: Callable[[list[Tensor]], Tensor]) -> Tensor:
    return x + make([image.flatten(1) for image in x]).to_padded_tensor(0.0).mean()


def _packed(x: Tensor, rnn: nn.GRU) -> Tensor:
    sequence = nn.utils.rnn.pack_padded_sequence(x.flatten(2).transpose(1, 2), [x[0, 0].numel()] * len(x), True)
    return nn.utils.rnn.pad_packed_sequence(rnn(sequence)[0], True)[0].transpose(1, 2).view_as(x)


REFUSED = {
    "packed": (Forward(_packed, nn.GRU(2, 2, batch_first=True)), "packs sequences"),
    "as_strided_": (Forward(lambda x: changed(x + 1, lambda y: y.as_strided_(y.shape, y.stride()))), "as_strided_"),
    "nested": (Forward(lambda x: nested(x, torch.nested.nested_tensor)), "uses nested tensors"),
    "as nested": (Forward(lambda x: nested(x, torch.nested.as_nested_tensor)), "uses nested tensors"),
    "jagged": (
        Forward(lambda x: nested(x, partial(torch.nested.nested_tensor, layout=torch.jagged))),
        "uses nested tensors",
    ),
    "set_": (Forward(lambda x: torch.empty_like(x).set_(x + 1)), "gives a tensor another's storage"),
}


@pytest.mark.parametrize(("network", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_followed_is_named(network: nn.Module, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        theoretical_receptive_field(network, SIZE, channels=2)


SPARSE = {
    "and back": lambda x, conv: conv(conv(x).to_sparse().to_dense()),
    "constant": lambda x, conv: conv(
        torch.sparse.mm(torch.eye(SIZE[0], device=x.device, dtype=x.dtype).to_sparse(), x[0, 0]).expand_as(x)
    ),
    "halves": lambda x, conv: conv(x) + x.to_sparse().sum().to_dense(),
}


@pytest.mark.parametrize("forward", SPARSE.values(), ids=SPARSE)
def test_sparse_tensors_are_joined(forward: Callable[..., Tensor]) -> None:
    network = Forward(forward, conv())
    assert any("has no rule" in each for each in theoretical_receptive_field(network, SIZE, channels=2).assumptions)
