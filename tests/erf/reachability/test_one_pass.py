"""What a pass without data does not do twice, and what it does not follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

import pytest
import torch
from torch import Tensor, nn

import erf
from erf.reachability.by_tensor import ByTensor
from erf.reachability.forward import trace
from erf.reachability.running import known_output, run
from tests.erf.hard_cases import Forward

META = torch.device("meta")
ATEN = torch.ops.aten


def test_what_runs_after_the_needed_layer_is_not_noted() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3), nn.Flatten(), nn.Linear(2 * 25, 3))
    passed = trace(network, (9, 9), 1, needed=["1"])
    assert [step.name for step in passed.steps] == ["0", "1"]
    assert [str(each.operator) for each in passed.operations] == ["aten.convolution.default", "aten.relu.default"]


def test_a_layer_that_runs_again_after_its_return_is_refused() -> None:
    conv = nn.Conv2d(2, 2, 3)
    with pytest.raises(erf.InvalidInput, match=r"'layers.0' runs 2 times"):
        erf.theoretical_receptive_field(Forward(lambda x, a: a(a(x).relu()), conv), (9, 9), "layers.0", channels=2)


def test_a_constant_that_is_made_and_kept_after_the_needed_layer_is_one() -> None:
    cache: list[Tensor] = []

    def forward(x: Tensor, conv: nn.Module) -> Tensor:
        y = conv(x)
        if not cache:
            cache.append(torch.ones(7, device=y.device))
        return y + cache[0]

    network = Forward(forward, nn.Conv2d(2, 2, 3))
    erf.theoretical_receptive_field(network, (9, 9), "layers.0", channels=2)
    assert cache[0].is_meta
    assert erf.theoretical_receptive_field(network, (9, 9), channels=2).assumptions == ()


def test_values_that_depend_on_pixels_and_are_kept_after_the_needed_layer_are_no_constant() -> None:
    cache: list[Tensor] = []

    def forward(x: Tensor, conv: nn.Module) -> Tensor:
        y = conv(x)
        if not cache:
            cache.append(y.mean((0, 1, 2)).neg_())
        return y + cache[0]

    network = Forward(forward, nn.Conv2d(2, 2, 3))
    erf.theoretical_receptive_field(network, (9, 9), "layers.0", channels=2)
    [sentence] = erf.theoretical_receptive_field(network, (9, 9), channels=2).assumptions
    assert "unknown origin" in sentence


def _image(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(shape, dtype=dtype, device=META)


CALLS: dict[str, Callable[[], tuple[Any, ...]]] = {
    "pointwise": lambda: (ATEN.relu.default, _image(2, 3, 5, 4)),
    "channels last": lambda: (ATEN.relu.default, _image(2, 3, 5, 4).contiguous(memory_format=torch.channels_last)),
    "transposed": lambda: (ATEN.add.Tensor, _image(5, 4).t(), _image(4, 5)),
    "comparison": lambda: (ATEN.gt.Scalar, _image(5, 4), 0),
    "integers and a float": lambda: (ATEN.mul.Tensor, _image(5, 4, dtype=torch.int64), 1.0),
    "integers and an integer": lambda: (ATEN.mul.Tensor, _image(5, 4, dtype=torch.int64), 1),
    "integers and a truth value": lambda: (ATEN.mul.Tensor, _image(5, 4, dtype=torch.int64), True),
    "several outputs": lambda: (ATEN.native_layer_norm.default, _image(5, 4), [4], None, None, 1e-5),
    "convolution": lambda: (
        ATEN.convolution.default, _image(2, 3, 9, 9), _image(6, 3, 3, 3), None, [2], [1], [1], False, [0], 1,
    ),
    "list of tensors": lambda: (ATEN.cat.default, [_image(2, 3), _image(2, 5)], 1),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_that_is_remembered_gives_the_layouts_that_torch_gives(call: Callable[[], tuple[Any, ...]]) -> None:
    for other in CALLS.values():
        func, *args = other()
        run(func, args, {}, _tensors(args))
    func, *args = call()
    expected, given = func(*args), known_output(func, args, {}, _tensors(args))
    assert _layouts(given) == _layouts(expected)


def _tensors(args: list[object]) -> list[Tensor]:
    parts = [part for arg in args for part in (arg if isinstance(arg, list) else [arg])]
    return [part for part in parts if isinstance(part, Tensor)]


def _layouts(output: Any) -> list[tuple[object, ...]]:
    tensors = output if isinstance(output, tuple) else [output]
    return [(t.shape, t.stride(), t.storage_offset(), t.dtype, t.device, t.untyped_storage().nbytes()) for t in tensors]


def test_views_writes_and_values_are_not_remembered() -> None:
    calls = [
        (ATEN.view.default, [_image(2, 3), [6]]),
        (ATEN._unsafe_view.default, [_image(2, 3), [6]]),
        (ATEN.add_.Tensor, [_image(2, 3), _image(3)]),
        (ATEN.relu.default, [torch.ones(3)]),
    ]
    for func, args in calls:
        run(func, args, {}, _tensors(args))
        assert known_output(func, args, {}, _tensors(args)) is None, func


def test_a_table_by_tensors_knows_them_by_identity_and_keeps_none_alive() -> None:
    table: ByTensor[int] = ByTensor()
    a, b = torch.ones(3), torch.ones(3)
    table[a], table[b] = 1, 2
    table[a] = 3
    assert (table.get(a), table.get(b), table.get(torch.ones(3))) == (3, 2, None)
    gone = ref(b)
    del b
    assert gone() is None
    assert [*table] == [a]
    assert len(table._entries) == 1


def test_a_table_by_tensors_goes_without_a_collection() -> None:
    table: ByTensor[int] = ByTensor()
    a = torch.ones(3)
    table[a] = 1
    gone = ref(table)
    del table
    assert gone() is None
