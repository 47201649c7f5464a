"""Along which dimension the boxes move, after writes, stacks and slices; and grids that do not fit all tokens."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import erf
from erf.reachability import receptive_field, registry, tracer
from erf.reachability.digit import Digit
from erf.reachability.grid import Grid, grid_of
from erf.reachability.reach import Reach
from erf.reachability.receptive_field import theoretical_receptive_field
from tests.erf.hard_cases import Forward


def _zeroed(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, 0] = 0
    return y


def _shifted(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, :2, 1:] = x[:, :2, :-1]
    return y


def _filled(x: Tensor) -> Tensor:
    y = torch.empty_like(x)
    for row in range(x.shape[2]):
        y[:, :, row] = x[:, :, row]
    return y


def _in_halves(x: Tensor) -> Tensor:
    half = x.shape[3] // 2
    return torch.cat([part.mean(3, keepdim=True).expand_as(part) for part in (x[..., :half], x[..., half:])], 3)


SIZES: dict[str, tuple[Callable[[Tensor], Tensor], tuple[float, float]]] = {
    "zeroed channel": (_zeroed, (3, 3)),
    "shifted channels": (_shifted, (4, 3)),
    "filled row by row": (_filled, (3, 3)),
    "stacked rows": (lambda x: torch.stack(x.unbind(2), 2), (3, 3)),
    "mean of a column": (lambda x: x + x[..., 7:8].mean(3, keepdim=True), (3, 5)),
    "mean of a half": (_in_halves, (3, 20)),
    "mean of all but strides": (lambda x: x + x[..., ::4].mean(3, keepdim=True), (3, math.inf)),
    "mean of what was put together": (lambda x: x + torch.stack(x.unbind(2)).mean(0)[:, :, None], (math.inf, 3)),
    "windows along one axis": (lambda x: F.pad(x, (0, 0, 1, 1)).unfold(2, 3, 1).mean(-1), (5, 3)),
}  # fmt: skip


@pytest.mark.parametrize(("operation", "size"), SIZES.values(), ids=SIZES)
def test_sizes_after_writes_stacks_and_slices(operation: Callable[[Tensor], Tensor], size: tuple) -> None:
    network = Forward(lambda x, before, after: after(operation(before(x))), nn.Conv2d(2, 4, 1), nn.Conv2d(4, 4, 3))
    field = theoretical_receptive_field(network, (24, 20), channels=2)
    assert field.size == size


def _sums(x: Tensor) -> list[Tensor]:
    return [x[..., : i + 1].sum(-1) for i in range(x.shape[-1])]


def _grown(x: Tensor) -> Tensor:
    """Position after position is added to what is there."""
    y = x[..., :0]
    for part in _sums(x):
        y = torch.cat([y, part[..., None]], -1)
    return y


ONE_BY_ONE: dict[str, Callable[[Tensor], Tensor]] = {
    "stack": lambda x: torch.stack(_sums(x), -1),
    "cat": lambda x: torch.cat([part[..., None] for part in _sums(x)], -1),
    "cat of tokens": lambda x: torch.cat([part[:, None] for part in _sums(x)], 1).transpose(1, 2),
    "cat that grows": _grown,
}


@pytest.mark.parametrize("operation", ONE_BY_ONE.values(), ids=ONE_BY_ONE)
def test_positions_put_together_one_by_one_have_a_grid(operation: Callable[[Tensor], Tensor]) -> None:
    field = theoretical_receptive_field(Forward(operation), (50,), channels=2, unit=(25,))
    assert (field.grid, field.size, field.box) == ((50,), (26,), ((0, 26),))
    assert field.index == (slice(None), slice(None), 25)


def test_patches_put_together_one_by_one_have_a_grid() -> None:
    def embedded(x: Tensor, linear: nn.Module) -> Tensor:
        corners = [(row, column) for row in range(0, x.shape[2], 4) for column in range(0, x.shape[3], 4)]
        return torch.cat([linear(x[:, :, r : r + 4, c : c + 4].flatten(1))[:, None] for r, c in corners], 1)

    field = theoretical_receptive_field(Forward(embedded, nn.Linear(32, 5)), (12, 16), channels=2, unit=(1, 2))
    assert (field.grid, field.box, field.index) == ((3, 4), ((4, 8), (8, 12)), (slice(None), 6))


def test_features_put_together_are_no_grid() -> None:
    halves = Forward(lambda x: torch.cat([x[..., :10].mean(-1), x[..., 10:].mean(-1)], 1))
    field = theoretical_receptive_field(halves, (20,), channels=2)
    assert (field.grid, field.box) == (None, ((0, 20),))


def _hierarchy(x: Tensor) -> Tensor:
    """Windows that become the whole map, as in DaViT: attention in windows of tokens, then their map."""
    n, c, h, w = x.shape
    tokens = x.flatten(2).transpose(1, 2)
    for side in (2, 4):
        parts = tokens.view(n, h // side, side, w // side, side, c).transpose(2, 3).reshape(-1, side * side, c)
        parts = parts + F.scaled_dot_product_attention(parts, parts, parts)
        parts = parts.view(n, h // side, w // side, side, side, c).transpose(2, 3).reshape(n, h * w, c)
        tokens = tokens + parts
    return tokens


def test_a_square_of_tokens_is_no_column() -> None:
    fields = theoretical_receptive_field(Forward(_hierarchy), (8, 8), channels=2, unit=[(3, 4), (4, 3)])
    assert [field.grid for field in fields] == [(8, 8), (8, 8)]
    assert [field.box for field in fields] == [((0, 4), (4, 8)), ((4, 8), (0, 4))]
    assert [field.index for field in fields] == [(slice(None), 28), (slice(None), 35)]


def _line(size: int, *shape: int) -> np.ndarray:
    pixels = np.arange(float(size))
    nowhere = np.full(size, np.inf)
    return np.stack([pixels, -pixels, nowhere, nowhere]).reshape(4, *shape)


def test_tokens_whose_columns_are_not_known_to_run_along_the_axis_are_no_column() -> None:
    rows = Reach(((Digit(1),), (Digit(6, 1, 1, True), Digit(2))), _line(6, 1, 6, 1))
    columns = Reach(((Digit(1),), (Digit(6), Digit(2, 0, 0))), _line(2, 1, 1, 2))
    assert grid_of([rows, columns]).shape == (6, 2)


REFUSED: dict[str, Callable[[Tensor], Tensor]] = {
    "some tokens in another order": lambda x: x.flatten(2)[:, :, torch.arange(64)[:60] * 7 % 64],
    "tokens of a window are alike": lambda x: x.unflatten(3, (4, 2)).unflatten(2, (4, 2)).amax((3, 5), keepdim=True)
    .expand(-1, -1, -1, 2, -1, 2).reshape(len(x), 2, 64),
}  # fmt: skip


@pytest.mark.parametrize("operation", REFUSED.values(), ids=REFUSED)
def test_a_grid_that_does_not_explain_all_units_is_refused(operation: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(erf.InvalidInput, match="not the rows and columns of one map"):
        theoretical_receptive_field(Forward(operation), (8, 8), channels=2)


def test_a_fault_of_a_rule_is_not_the_network_s(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_kwargs: object) -> Reach:
        raise ValueError("cannot reshape")

    monkeypatch.setitem(registry.RULES, "flip", broken)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), Forward(lambda x: x.flip(2)))
    with pytest.raises(erf.InternalError, match=r"aten.flip.default in module '1': ValueError: cannot .* report it"):
        theoretical_receptive_field(network, (9, 9))


def test_a_rule_that_gives_another_shape_is_a_fault_of_erf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.RULES, "flip", lambda call, x, dims: x.remove([0]))
    network = nn.Sequential(nn.Conv2d(3, 4, 3), Forward(lambda x: x[:1].flip(2)))
    with pytest.raises(erf.InternalError, match="report it"):
        theoretical_receptive_field(network, (9, 9))


@pytest.mark.parametrize(
    ("module", "name", "at"),
    [
        (tracer, "known_output", r"aten.convolution.default in module '0'"),
        (receptive_field, "grid_of", "layer '0'"),
        (Grid, "spacing", "layer '0'"),
    ],
)
def test_a_fault_beside_the_rules_is_one_of_erf(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str, at: str
) -> None:
    def broken(*_args: object) -> None:
        raise IndexError("no such place")

    monkeypatch.setattr(module, name, broken)
    with pytest.raises(erf.InternalError, match=rf"at {at}: IndexError: no such place; .* report it"):
        theoretical_receptive_field(nn.Sequential(nn.Conv2d(3, 4, 3)), (9, 9), "0")


def test_what_the_network_does_wrong_stays_its_own() -> None:
    with pytest.raises(erf.InvalidInput, match="does not run on an input"):
        theoretical_receptive_field(nn.Sequential(nn.Conv2d(3, 4, 3), Forward(lambda x: x.view(11, -1))), (9, 9))
