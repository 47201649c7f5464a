"""Operators as real networks use them: transforms, recurrences, orders, known and chosen places, matrices."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import DeformConv2d

from tests.erf.reachability.cases.case import LINE, SIGNAL, VIDEO, Case, before, conv, of


def on(x: Tensor, values: list[int]) -> Tensor:
    return torch.tensor(values, device=x.device)


def complex_like(x: Tensor) -> Any:
    return {"device": x.device, "dtype": x.dtype.to_complex()}


def eye(x: Tensor, n: int) -> Tensor:
    return torch.eye(n, device=x.device, dtype=x.dtype)


class FourierOperator(nn.Module):
    """A few low frequencies are mixed, written into a tensor of complex zeros made on the device."""

    def __init__(self) -> None:
        super().__init__()
        self.weights, self.beside = nn.Parameter(torch.ones(2, 2, 3, 3)), nn.Conv2d(2, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        low = torch.fft.rfft2(x)
        shape = len(x), 2, x.shape[2], x.shape[3] // 2 + 1
        out = torch.zeros(shape, device=x.device, dtype=low.dtype)
        out[:, :, :3, :3] = torch.einsum("bixy,ioxy->boxy", low[:, :, :3, :3], self.weights.to(low.dtype))
        return torch.fft.irfft2(out, s=x.shape[-2:]) + self.beside(x)


def fourier_units(x: Tensor, mix: nn.Module) -> Tensor:
    """Real and imaginary parts are channels of a convolution between both transforms."""
    y = torch.fft.rfftn(x, dim=(-2, -1))
    y = mix(torch.cat([y.real, y.imag], 1))
    return torch.fft.irfftn(torch.complex(y[:, :2], y[:, 2:]), s=x.shape[-2:], dim=(-2, -1))


def token_mixer(x: Tensor) -> Tensor:
    tokens = x.flatten(2).transpose(1, 2)
    return torch.fft.fft(torch.fft.fft(tokens, dim=-1), dim=-2).real.transpose(1, 2).reshape(x.shape)


def rows_then_columns(x: Tensor, across: nn.Module, down: nn.Module) -> Tensor:
    n, c, h, w = x.shape
    y = across(x.permute(0, 2, 3, 1).reshape(n * h, w, c))[0].view(n, h, w, 2)
    return down(y.permute(0, 2, 1, 3).reshape(n * w, h, 2))[0].view(n, w, h, 2).permute(0, 3, 2, 1)


def of_text(x: Tensor, features: nn.Module, recurrent: nn.Module) -> Tensor:
    """A line of text: rows are averaged, columns are times."""
    return recurrent(features(x).mean(2).permute(2, 0, 1))[0].permute(1, 2, 0)


def cells(x: Tensor, cell: nn.Module) -> Tensor:
    state, states = None, []
    for each in x.unbind(-1):
        state = cell(each, state)
        states.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(states, -1)


def convolutional_gru(x: Tensor, gate: nn.Module, new: nn.Module) -> Tensor:
    state, states = torch.zeros_like(x[:, :, 0]), []
    for frame in x.unbind(2):
        z = gate(torch.cat([frame, state], 1)).sigmoid()
        state = (1 - z) * state + z * new(torch.cat([frame, state], 1)).tanh()
        states.append(state)
    return torch.stack(states, 2)


def median_of_windows(x: Tensor) -> Tensor:
    return F.unfold(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3).view(len(x), 2, 9, *x.shape[2:]).median(2).values


def transformed(x: Tensor, localize: nn.Module) -> Tensor:
    theta = localize(x.mean((2, 3))).view(-1, 2, 3)
    return F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)


def sampled_at(x: Tensor, rows: Tensor, columns: Tensor, **options: Any) -> Tensor:
    return F.grid_sample(x, torch.stack([columns, rows], -1).expand(len(x), -1, -1, -1), **options)


def ramps(x: Tensor) -> tuple[Tensor, ...]:
    lines = [torch.linspace(-0.85, 0.8, n, device=x.device, dtype=x.dtype) for n in x.shape[2:]]
    return torch.meshgrid(*lines, indexing="ij")


def deformed(x: Tensor, offsets: nn.Module, last: nn.Module) -> Tensor:
    told = offsets(x).nan_to_num()  # torchvision crashes where an offset is NaN
    return last(x, told[:, :18], told[:, 18:].sigmoid())


def scattered(x: Tensor, places: list[int], size: int, add: bool = False) -> Tensor:
    out = x.new_zeros(*x.shape[:2], size, x.shape[3])
    index = on(x, places).view(1, 1, -1, 1).expand_as(x)
    return out.scatter_add_(2, index, x) if add else out.scatter_(2, index, x)


def box_filter(x: Tensor) -> Tensor:
    total = F.pad(x.cumsum(2), (0, 0, 1, 0))
    return total[:, :, 2:] - total[:, :, :-2]


def quantized(x: Tensor, encode: nn.Module, codes: nn.Module) -> Tensor:
    vectors = encode(x).permute(0, 2, 3, 1)
    nearest = torch.cdist(vectors.reshape(-1, 2), codes.weight).argmin(1)
    return (codes(nearest).view(vectors.shape) * vectors).permute(0, 3, 1, 2)


def four_turns(x: Tensor, shared: nn.Module) -> Tensor:
    return sum((shared(x.rot90(k, (2, 3))).rot90(-k, (2, 3)) for k in range(4)), torch.zeros_like(x))


def of_each_pixel(x: Tensor, function: Any) -> Tensor:
    """A matrix of each pixel's vector, and what a function makes of it."""
    v = x.permute(0, 2, 3, 1)
    return function(v[..., None] * v[..., None, :] + eye(x, 2)).flatten(3).permute(0, 3, 1, 2)


def whitened(x: Tensor) -> Tensor:
    y = x.flatten(2)
    return torch.linalg.solve(y @ y.transpose(1, 2) + eye(x, 2), y).view_as(x)


def attention_of_windows(x: Tensor) -> Tensor:
    near = F.unfold(x, 3, padding=1).view(len(x), 2, 9, -1)
    scores = torch.einsum("bckl,bcl->bkl", near, x.flatten(2)).softmax(1)
    return (near * scores[:, None]).sum(2).view_as(x)


def frames(x: Tensor) -> Tensor:
    window = torch.hann_window(8, device=x.device, dtype=x.dtype)
    return torch.fft.rfft(x.unfold(2, 8, 4) * window).abs().permute(0, 1, 3, 2).flatten(1, 2)


def spectrogram(x: Tensor) -> Tensor:
    window = torch.ones(8, dtype=x.dtype, device=x.device)
    real = torch.view_as_real(torch.stft(x.flatten(0, 1), 8, 4, center=False, window=window, return_complex=True))
    return real.mean(-1).unflatten(0, (len(x), 2)).flatten(1, 2)


def there_and_back(x: Tensor) -> Tensor:
    window = torch.hann_window(8, device=x.device, dtype=x.dtype)
    y = torch.stft(x.flatten(0, 1), 8, 2, window=window, return_complex=True)
    return torch.istft(y * y.abs(), 8, 2, window=window, length=x.shape[2]).view_as(x)


def gru(inputs: int = 2, **options: Any) -> nn.GRU:
    return nn.GRU(inputs, 2, batch_first=True, **options)


CASES: dict[str, Case] = {
    "Fourier neural operator": Case(FourierOperator),
    "Fourier units": of(fourier_units, lambda: nn.Conv2d(4, 4, 1)),
    "tokens mixed by transforms": of(token_mixer),
    "convolution by transforms": before(
        lambda x: torch.fft.ifft2(torch.fft.fft2(x) * torch.fft.fft2(torch.ones_like(x))).real
    ),
    "transform of rows": before(lambda x: torch.fft.irfft(torch.fft.rfft(x, dim=2), n=x.shape[2], dim=2)),
    "shifted and back": before(lambda x: torch.fft.ifftshift(torch.fft.fftshift(x, (2, 3)), (2, 3))),
    "shifted by half and back": before(lambda x: torch.fft.ifftshift(torch.fft.fftshift(x, (3,)), (3,)), size=(9, 8)),
    "frames of a signal": of(frames, size=SIGNAL),
    "real spectrogram": of(spectrogram, size=SIGNAL),
    "signal from its spectrogram": of(
        there_and_back, size=SIGNAL, exact=False, assumed=("unfold_backward", "the field is that of noise")
    ),
    "line of text": of(of_text, conv, lambda: nn.LSTM(2, 3, bidirectional=True)),
    "rows, then columns": of(rows_then_columns, gru, gru),
    "GRU cells": of(cells, lambda: nn.GRUCell(2, 3), size=LINE),
    "LSTM cells": of(cells, lambda: nn.LSTMCell(2, 3), size=LINE),
    "convolutional GRU": of(
        convolutional_gru, lambda: conv(4), lambda: conv(4), size=VIDEO
    ),
    "LSTM with a projection": of(
        lambda x, r: r(x.transpose(1, 2))[0].transpose(1, 2),
        lambda: nn.LSTM(2, 4, proj_size=3, batch_first=True), size=LINE,
    ),
    "last state": of(lambda x, r: r(x.transpose(1, 2))[1][-1], gru, size=LINE),
    "GRU from the end": of(lambda x, r: r(x.flip(2).transpose(1, 2))[0].transpose(1, 2).flip(2), gru, size=LINE),
    "GRU of single signals": of(lambda x, r: torch.stack([r(s.t())[0].t() for s in x]), gru, size=LINE),
    "channels in order": before(lambda x: x.sort(1).values),
    "largest channel": before(lambda x: x.topk(1, 1).values.expand_as(x)),
    "median of windows": before(median_of_windows),
    "middle of rows": before(lambda x: x - x.quantile(0.5, 2, keepdim=True)),
    "winners of all": before(lambda x: x * (x >= x.flatten(1).topk(5).values[:, -1:, None, None]), exact=False),
    "spatial transformer": of(transformed, lambda: nn.Linear(2, 6)),
    "sampled at known places": before(lambda x: sampled_at(x, *ramps(x), align_corners=True)),
    "sampled in a quarter turn": of(
        lambda x: sampled_at(x, *ramps(x)[::-1], align_corners=False, padding_mode="border")
    ),
    "sampled at the nearest": of(lambda x: sampled_at(x, *ramps(x), mode="nearest", align_corners=False)),
    "sampled by cubes": of(lambda x: sampled_at(x, *ramps(x), mode="bicubic", align_corners=False)),
    "deformed with a mask": of(
        deformed, lambda: conv(2, 27), lambda: DeformConv2d(2, 2, 3, padding=1), exact=False
    ),
    "patches and back": before(lambda x: F.fold(F.unfold(x, 3, stride=3), x.shape[2:], 3, stride=3)),
    "attention of windows": of(attention_of_windows),
    "both ways": of(lambda x, c: torch.cat([c(x), c(x.flip(2, 3)).flip(2, 3)], 1), conv),
    "four quarter turns": of(four_turns, conv),
    "turned back": before(lambda x: x.rot90(3, (-2, -1)).mT),
    "rows reversed by an index": before(lambda x: scattered(x, [8, 7, 6, 5, 4, 3, 2, 1, 0], 9)),
    "rows added in pairs": before(lambda x: scattered(x, [0, 0, 1, 1, 2, 2, 3, 3, 4], 5, add=True)),
    "means of rows by an index": before(
        lambda x: x.new_zeros(*x.shape[:2], 3, 9).scatter_reduce(
            2, on(x, [0, 0, 0, 1, 1, 1, 2, 2, 2]).view(1, 1, 9, 1).expand_as(x), x, "mean"
        )
    ),
    "added by a list": before(
        lambda x: x.new_zeros(*x.shape[:2], 5, 9).index_add_(2, on(x, [0, 0, 1, 1, 2, 2, 3, 3, 4]), x)
    ),
    "copied by a list": before(
        lambda x: torch.zeros_like(x).index_copy_(3, on(x, [3, 0, 1, 2, 4, 5, 7, 6, 8]), x)
    ),
    "rows by whole division": before(lambda x: x[:, :, torch.arange(9, device=x.device) // 2]),
    "taken by flat places": before(lambda x: torch.take(x, torch.arange(x.numel(), device=x.device).view_as(x))),
    "gathered by known tokens": of(
        lambda x: x.flatten(2).gather(2, on(x, list(range(80, -1, -1))).expand(len(x), 2, -1)).view_as(x)
    ),
    "integral image": before(lambda x: x.cumsum(2).cumsum(3)),
    "box filter by running sums": before(box_filter),
    "running maximum": before(lambda x: x.cummax(2).values),
    "running mean": before(lambda x: x.cumsum(3) / torch.arange(1, 10, device=x.device)),
    "differences": before(lambda x: torch.diff(x, dim=3, prepend=x[..., :1])),
    "gradients": before(lambda x: torch.gradient(x, dim=3)[0]),
    "codes of a table": of(quantized, conv, lambda: nn.Embedding(5, 2), exact=False),
    "bilinear layer": of(
        lambda x, b: b(x.permute(0, 2, 3, 1), x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
        lambda: nn.Bilinear(2, 2, 3),
    ),
    "inverse of each pixel's matrix": of(lambda x: of_each_pixel(x, torch.linalg.inv)),
    "exponential of each pixel's matrix": of(lambda x: of_each_pixel(x, torch.linalg.matrix_exp)),
    "whitened channels": of(whitened),
    "cross products": before(
        lambda x: torch.linalg.cross(F.pad(x, (0, 0, 0, 0, 0, 1)), x[:, :1].expand(-1, 3, -1, -1), dim=1)[:, :2]
    ),
    "steps of a table": before(
        lambda x: x + torch.searchsorted(torch.linspace(0, 1, 5, device=x.device, dtype=x.dtype), x)
    ),
    "complex kernels made on the device": of(
        lambda x: F.conv2d(torch.complex(x, x), torch.ones(2, 2, 3, 3, **complex_like(x))).abs()
    ),
    "mapped over images": of(lambda x, c: torch.vmap(lambda image: c(image[None])[0] * 2)(x), conv),
}  # fmt: skip
