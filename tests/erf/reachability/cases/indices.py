"""Indices, masks and positions that a network makes for itself, most of them on the device of its images."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.erf.reachability.cases.case import LINE, Case, before, conv, of


def numbers(x: Tensor, n: int) -> Tensor:
    return torch.arange(n, device=x.device)


def on(x: Tensor, values: list[float]) -> Tensor:
    return torch.tensor(values, device=x.device)


def windows(x: Tensor, side: int = 4) -> Tensor:
    n, c, h, w = x.shape
    cut = x.view(n, c, h // side, side, w // side, side)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(n, -1, side**2, c)


def together(y: Tensor, x: Tensor, side: int = 4) -> Tensor:
    n, c, h, w = x.shape
    return y.view(n, h // side, w // side, side, side, c).permute(0, 5, 1, 3, 2, 4).reshape(x.shape)


def with_relative_positions(x: Tensor) -> Tensor:
    places = torch.stack(torch.meshgrid(numbers(x, 4), numbers(x, 4), indexing="ij")).flatten(1)
    apart = (places[:, :, None] - places[:, None]).permute(1, 2, 0) + 3
    bias = x.new_zeros(49)[(apart[..., 0] * 7 + apart[..., 1]).view(-1)].view(16, 16)
    tokens = windows(x)
    return together((tokens @ tokens.transpose(-1, -2) + bias).softmax(-1) @ tokens, x)


def with_a_mask_of_windows(x: Tensor) -> Tensor:
    image = torch.zeros(8, 8, device=x.device)
    for k, rows in enumerate((slice(0, -4), slice(-4, -2), slice(-2, None))):
        image[rows] += k
    regions = windows(image[None, None])[0, :, :, 0]
    apart = regions[:, None] - regions[:, :, None]
    mask = apart.masked_fill(apart != 0, -100.0).masked_fill(apart == 0, 0.0)
    tokens = windows(x)
    return together((tokens @ tokens.transpose(-1, -2) + mask).softmax(-1) @ tokens, x)


def causal(x: Tensor) -> Tensor:
    tokens = x.transpose(1, 2)
    later = torch.triu(torch.full((12, 12), -torch.inf, device=x.device, dtype=x.dtype), 1)
    return ((tokens @ tokens.transpose(1, 2) + later).softmax(-1) @ tokens).transpose(1, 2)


def near_in_time(x: Tensor) -> Tensor:
    tokens, far = x.transpose(1, 2), (numbers(x, 12)[:, None] - numbers(x, 12)).abs() > 2
    return ((tokens @ tokens.transpose(1, 2)).masked_fill(far, -torch.inf).softmax(-1) @ tokens).transpose(1, 2)


def with_waves(x: Tensor) -> Tensor:
    places = numbers(x, 9)[:, None] * torch.exp(torch.arange(0, 2, 2, device=x.device) * -4.6)
    waves = torch.zeros(9, 2, device=x.device)
    waves[:, 0::2], waves[:, 1::2] = places.sin(), places.cos()
    return x + waves.t()[:, None]


def turned_by_place(x: Tensor) -> Tensor:
    angles = torch.outer(numbers(x, 81).double(), torch.ones(1, device=x.device, dtype=torch.double))
    pairs = torch.view_as_complex(x.flatten(2).transpose(1, 2).contiguous().unflatten(2, (1, 2)))
    turned = torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles))
    return turned.flatten(2).transpose(1, 2).reshape(x.shape)


def with_coordinates(x: Tensor, last: torch.nn.Module) -> Tensor:
    line = torch.linspace(-1, 1, 9, device=x.device, dtype=x.dtype)
    places = torch.stack(torch.meshgrid(line, line, indexing="ij")).expand(len(x), -1, -1, -1)
    return last(torch.cat([x, places], 1))


def written_by_mask(x: Tensor, last: torch.nn.Module) -> Tensor:
    y = last(x).clone()
    y[:, :, numbers(x, 9) > 6] = x[:, :, :2]
    return y


CASES: dict[str, Case] = {
    "every second row": before(lambda x: x[:, :, torch.arange(0, 9, 2, device=x.device)]),
    "rows of a list": before(lambda x: x[:, :, [8, 0, 4, 2, 6]], exact=False),
    "rows of a list of truths": before(lambda x: x[:, :, [True, False, True] * 3]),
    "rows of a tuple": before(lambda x: x[:, :, (0, 1, 2, 3, 4, 5, 6, 7, 8)]),
    "rows of a range": before(lambda x: x[:, :, range(9)]),
    "rows from the end": before(lambda x: x[:, :, on(x, [-1, -2, -3, 0])]),
    "rows of an old constructor": before(lambda x: x[..., torch.LongTensor([0, 1, 2, 3, 5, 8]).to(x.device)]),
    "rows of numpy": before(lambda x: x[:, :, np.arange(9)]),
    "truths of numpy": before(lambda x: x[:, :, np.arange(9) % 2 == 0]),
    "rows after the third": before(lambda x: x[:, :, numbers(x, 9) > 3], exact=False),
    "rows written where a mask is true": of(written_by_mask, conv),
    "checkered": before(lambda x: x * ((numbers(x, 9)[:, None] + numbers(x, 9)) % 2)),
    "valid lengths": before(lambda x: x * (numbers(x, 9) < torch.full((len(x), 1), 9, device=x.device))[:, None, None]),
    "columns evenly spaced": before(lambda x: x[..., torch.linspace(0, 8, 5, device=x.device).long()]),
    "rows rounded": before(lambda x: x[:, :, torch.linspace(0, 8, 5, device=x.device).round().int()]),
    "columns from floats": before(lambda x: x[..., on(x, [0.0, 2.0, 5.0, 8.0]).long()]),
    "nearest by hand": before(lambda x: x[:, :, (numbers(x, 18) / 2).floor().long()]),
    "nearest by floats": before(lambda x: x[:, :, (torch.arange(18.0, device=x.device) * 0.5).long()]),
    "drawn channels": before(lambda x: x[:, torch.randperm(2, device=x.device)]),
    "drawn rows": before(lambda x: x[:, :, torch.randperm(9, device=x.device)], exact=False),
    "rows drawn beside the device": before(lambda x: x[:, :, torch.randperm(9)], exact=False),
    "identity": of(lambda x: x @ torch.eye(9, device=x.device, dtype=x.dtype)),
    "triangle": of(lambda x: x @ torch.tril(torch.ones(9, 9, device=x.device, dtype=x.dtype)), exact=False),
    "halves in the other order": before(lambda x: x[:, :, torch.cat([numbers(x, 9)[5:], numbers(x, 9)[:5]])]),
    "order of an order": before(lambda x: x[:, :, on(x, [3, 1, 2, 0, 8, 7, 6, 5, 4]).argsort()]),
    "new tensor": before(lambda x: x[:, :, x.new_tensor([0, 3, 5, 8], dtype=torch.long)]),
    "new tensor of floats": before(lambda x: x[:, :, x.new_tensor([0, 3, 5, 8]).long()]),
    "numpy's on the device": before(lambda x: x[:, :, torch.as_tensor(np.array([0, 3, 5, 8]), device=x.device)]),
    "one row many times": before(lambda x: x[:, :, torch.full((3,), 2, device=x.device)]),
    "filled index": before(lambda x: x[:, :, torch.zeros(3, dtype=torch.long, device=x.device).fill_(4)]),
    "a row by a tensor": before(lambda x: x[:, :, torch.tensor(3, device=x.device)][:, :, None]),
    "last first": before(lambda x: x.index_select(3, torch.arange(8, -1, -1, device=x.device))),
    "repeated by a tensor": before(lambda x: x.repeat_interleave(on(x, [1, 2, 1, 1, 1, 1, 1, 1, 1]).long(), 2)),
    "unraveled": of(lambda x: x[(..., *torch.unravel_index(numbers(x, 81), (9, 9)))].view_as(x)),
    "buckets": before(lambda x: x[:, :, torch.bucketize(numbers(x, 9), on(x, [3, 6]))]),
    "clamped": before(lambda x: x[:, :, (numbers(x, 9) + 2).clamp(max=8)]),
    "counted": before(lambda x: x[:, :, torch.ones(9, dtype=torch.long, device=x.device).cumsum(0) - 1]),
    "as many as are counted": before(lambda x: x[:, :, : int(numbers(x, 9).sum().item() // 9)], exact=False),
    "split at numbers of a tensor": before(lambda x: torch.cat(x.tensor_split(torch.tensor([2, 5]), 2)[::-1], 2)),
    "one by one": before(lambda x: torch.stack([x[:, :, i] for i in torch.arange(8, -1, -1, device=x.device)], 2)),
    "positions of windows": of(with_relative_positions, size=(8, 8)),
    "mask of windows": of(with_a_mask_of_windows, size=(8, 8)),
    "causal mask": of(causal, size=LINE),
    "mask of what is far": of(near_in_time, size=LINE, exact=False),
    "waves": before(with_waves),
    "turned by place": before(turned_by_place),
    "coordinates": of(with_coordinates, lambda: conv(4)),
    "one of many": before(lambda x: x * F.one_hot(numbers(x, 9) % 2, 2)[:, 0]),
}  # fmt: skip
