"""Views, writes and small layers of maps of a few channels, of which two numbers choose the form."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

CHANNELS = 4
Operation = Callable[[Tensor], Tensor]


def mixing(kernel: int = 1) -> Operation:
    weight = torch.ones(CHANNELS, CHANNELS, kernel, kernel, dtype=torch.float64)
    return lambda x: F.conv2d(x, weight.to(x.device), padding=kernel // 2)


def depthwise(x: Tensor) -> Tensor:
    weight = torch.ones(x.shape[1], 1, 3, 1, dtype=torch.float64, device=x.device)
    return F.conv2d(x, weight, padding=(1, 0), groups=x.shape[1])


# What keeps [N, CHANNELS, *size]; `a` and `b` are drawn numbers from 0 to 3.


def zeroed_channel(x: Tensor, a: int, b: int) -> Tensor:
    y = x.clone()
    y[:, a] = 0
    return y


def written_channels(x: Tensor, a: int, b: int) -> Tensor:
    y = x.clone()
    y[:, : a + 1] = depthwise(x[:, : a + 1])
    return y


def added_in_place(x: Tensor, a: int, b: int) -> Tensor:
    y = x.clone()
    y[:, a :: b + 1] += depthwise(x)[:, a :: b + 1]
    return y


def shifted_channels(x: Tensor, a: int, b: int) -> Tensor:
    y = x.clone()
    y[:, : a + 1, b + 1 :] = x[:, : a + 1, : -b - 1]
    return y


def shifted_into_zeros(x: Tensor, a: int, b: int) -> Tensor:
    y = torch.zeros_like(x)
    y[:, :a, :, :-1] = x[:, :a, :, 1:]
    y[:, a : b + 2, :, 1:] = x[:, a : b + 2, :, :-1]
    y[:, b + 2 :] = x[:, b + 2 :]
    return y


def added_column(x: Tensor, a: int, b: int) -> Tensor:
    return x + x[..., a : a + b + 1].sum(-1, keepdim=True)


def added_row_and_column(x: Tensor, a: int, b: int) -> Tensor:
    return x + x[:, :, a : a + 1].amax(2, keepdim=True) + x[..., b : b + 1].mean(-1, keepdim=True)


def stripes(x: Tensor, a: int, b: int) -> Tensor:
    edge = a + 2
    return torch.cat([x[..., :edge], mixing(3)(x)[..., edge:]], -1)


def written_stripes(x: Tensor, a: int, b: int) -> Tensor:
    y = torch.empty_like(x)
    for start in range(0, x.shape[2], a + 1):
        part = x[:, :, start : start + a + 1]
        y[:, :, start : start + a + 1] = part.mean(2, keepdim=True) + part
    return y


def stacked_columns(x: Tensor, a: int, b: int) -> Tensor:
    columns = x.unbind(-1)
    sums = [reduce(torch.add, columns[max(i - a, 0) : i + 1]) for i in range(len(columns))]
    return torch.cat([part[..., None] for part in sums], -1) if b % 2 else torch.stack(sums, -1)


def written_columns(x: Tensor, a: int, b: int) -> Tensor:
    y, state = torch.empty_like(x), 0
    for i in range(x.shape[-1]):
        state = state * 0.5 + x[..., i]
        y[..., i] = state
    return y


def stacked_rows(x: Tensor, a: int, b: int) -> Tensor:
    rows = [x[:, :, i] for i in range(x.shape[2])]
    return torch.stack([rows[i] + rows[max(i - a - 1, 0)] for i in range(len(rows))], 2)


def windows_of_rows(x: Tensor, a: int, b: int) -> Tensor:
    return F.pad(x, (0, 0, a, b)).unfold(2, a + b + 1, 1).mean(-1)


def windows_of_both(x: Tensor, a: int, b: int) -> Tensor:
    return F.pad(x, (b, 0, a, 0)).unfold(2, a + 1, 1).unfold(3, b + 1, 1).amax((-1, -2))


def unfolded(x: Tensor, a: int, b: int) -> Tensor:
    parts = F.unfold(F.pad(x, (1, 1, 1, 1)), 3)
    taps = (slice(3, 6), slice(None), slice(4, 5), slice(1, 9, 3))[a]
    return parts.view(len(x), CHANNELS, 9, *x.shape[2:])[:, :, taps].sum(2)


def padded_and_cropped(x: Tensor, a: int, b: int) -> Tensor:
    y = mixing(3)(F.pad(x, (a, b, b, a)))
    return y[:, :, b : b + x.shape[2], a : a + x.shape[3]]


def moved_channels(x: Tensor, a: int, b: int) -> Tensor:
    order = torch.tensor([(k * 3 + a) % CHANNELS for k in range(CHANNELS)])
    return x[:, order]


def permuted(x: Tensor, a: int, b: int) -> Tensor:
    y = x.permute(0, 2, 3, 1).contiguous()
    y[:, :, b] = y[:, :, b] * 2
    return F.layer_norm(y, (CHANNELS,)).permute(0, 3, 1, 2)


def channel_groups(x: Tensor, a: int, b: int) -> Tensor:
    y = x.unflatten(1, (2, 2)).clone()
    y[:, 0] = depthwise(x)[:, 2:]
    return y.transpose(1, 2).flatten(1, 2)


def reduced(x: Tensor, a: int, b: int) -> Tensor:
    """A reduction of windows of two columns, and back to the size."""
    y = x.unflatten(3, (-1, 2)).mean(4) if x.shape[3] % 2 == 0 else x
    return y.repeat_interleave(2, 3)[..., : x.shape[3]] + x


def global_mean(x: Tensor, a: int, b: int) -> Tensor:
    return x * x.mean(2 + a % 2, keepdim=True)


def tokens(x: Tensor, a: int, b: int) -> Tensor:
    """To tokens with a prefix that is written to, and back."""
    y = x.flatten(2).transpose(1, 2)
    y = torch.cat([y.new_zeros(len(x), b + 1, CHANNELS), y], 1)
    y[:, 0] = 1
    return y[:, b + 1 :].transpose(1, 2).reshape(x.shape)


def attention(x: Tensor, a: int, b: int) -> Tensor:
    heads = (1, 2)[a % 2]
    y = x.flatten(2).transpose(1, 2)
    q = y.view(len(x), -1, heads, CHANNELS // heads).transpose(1, 2)
    mixed = (q @ q.transpose(-1, -2)).softmax(-1) @ q
    return (y + mixed.transpose(1, 2).reshape(y.shape)).transpose(1, 2).reshape(x.shape)


def window_attention(x: Tensor, a: int, b: int) -> Tensor:
    """In windows of 2 x 2 tokens, shifted or not."""
    h, w = (n + n % 2 for n in x.shape[2:])
    y = F.pad(x, (a % 2, a % 2 + w - x.shape[3], a % 2, a % 2 + h - x.shape[2]))
    y = y.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).permute(0, 2, 4, 3, 5, 1)
    q = y.reshape(-1, 4, CHANNELS)
    q = q + F.scaled_dot_product_attention(q, q, q)
    y = q.view(y.shape).permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)
    return y[:, :, a % 2 : a % 2 + x.shape[2], a % 2 : a % 2 + x.shape[3]]


def halo_attention(x: Tensor, a: int, b: int) -> Tensor:
    """Of windows to windows with a border: one that is the whole map, a row of such, or many of 2 x 2 tokens."""
    n, c, *sides = x.shape
    h, w = (side if all_of_it or side % 2 else 2 for side, all_of_it in zip(sides, (a % 2, b % 2), strict=True))
    rows, columns = sides[0] // h, sides[1] // w
    q = x.reshape(n, c, rows, h, columns, w).transpose(3, 4).reshape(n, c, rows * columns, h * w)
    k = F.pad(x, (1, 1, 1, 1)).unfold(2, h + 2, h).unfold(3, w + 2, w).reshape(n, c, rows * columns, -1)
    q, k = (part.permute(0, 2, 3, 1) for part in (q, k))
    mixed = ((q @ k.transpose(-1, -2)).softmax(-1) @ k).permute(0, 3, 1, 2)
    return mixed.reshape(n, c, rows, columns, h, w).transpose(3, 4).reshape(x.shape)


def one_window(x: Tensor, a: int, b: int) -> Tensor:
    """Every token takes one token of a window that is the whole map with a border."""
    n, c, h, w = x.shape
    q = x.reshape(n * c, 1, h, 1, w).transpose(2, 3).reshape(n * c, 1, h * w)
    k = F.pad(x, (1, 1, 1, 1)).unfold(2, h + 2, h).unfold(3, w + 2, w).reshape(n * c, 1, -1)
    return (q + k[..., (a + 1) * (w + 2) + b + 1, None]).reshape(x.shape)


def grid_attention(x: Tensor, a: int, b: int) -> Tensor:
    """Along one axis: sparse, with a stride of 2, or in blocks."""
    n, c, h, w = x.shape
    if h % 2:
        return x
    y = x.view(n, c, h // 2, 2, w) if a % 2 else x.view(n, c, 2, h // 2, w).transpose(2, 3)
    y = y + y.mean(3 if b % 2 else 2, keepdim=True)
    return (y if a % 2 else y.transpose(2, 3)).reshape(x.shape)


def convolution(x: Tensor, a: int, b: int) -> Tensor:
    return mixing((1, 3)[a % 2])(x) + x


def per_channel(x: Tensor, a: int, b: int) -> Tensor:
    return depthwise(x)


def strided(x: Tensor, a: int, b: int) -> Tensor:
    return mixing(3)(x)[:, :, a % 2 :: 2] if x.shape[2] > 3 else x


def pooled(x: Tensor, a: int, b: int) -> Tensor:
    return F.max_pool2d(x, 2, ceil_mode=bool(a % 2)) if min(x.shape[2:]) > 3 else x


def upsampled(x: Tensor, a: int, b: int) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode=("nearest", "bilinear")[a % 2]) if x.shape[3] < 8 else x


OPERATIONS = (
    zeroed_channel, written_channels, added_in_place, shifted_channels, shifted_into_zeros, added_column,
    added_row_and_column, stripes, written_stripes, stacked_columns, written_columns, stacked_rows, windows_of_rows,
    windows_of_both, unfolded, padded_and_cropped, moved_channels, permuted, channel_groups, reduced, global_mean,
    tokens, attention, window_attention, halo_attention, one_window, grid_attention, convolution, per_channel,
    strided, pooled, upsampled,
)  # fmt: skip
