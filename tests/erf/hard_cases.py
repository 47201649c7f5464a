"""Small networks that a receptive field calculator gets wrong: each a module that maps ``[N, 2, *size]`` to maps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Network = Callable[[], nn.Module]


class Forward(nn.Module):
    """A network given by its forward, with a few layers to call."""

    def __init__(self, forward: Callable[..., Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self._forward = forward

    def forward(self, x: Tensor) -> Tensor:
        return self._forward(x, *self.layers)


def _conv(kernel: int | tuple[int, int] = 3, inputs: int = 2, outputs: int = 2, **options) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, **options)


def _circular_by_hand(x: Tensor) -> Tensor:
    out = x.new_empty(*x.shape[:2], x.shape[2] + 2, x.shape[3])
    out[:, :, 1:-1] = x
    out[:, :, :1] = x[:, :, -1:]
    out[:, :, -1:] = x[:, :, :1]
    return F.conv2d(out, x.new_ones(2, 2, 3, 1))


def _write_to_view(x: Tensor) -> Tensor:
    y = x.clone()
    half = y[:, :, ::2]
    half += F.avg_pool2d(x, 3, 1, 1)[:, :, ::2]
    return y


def _write_under_view(x: Tensor) -> Tensor:
    y = x.clone()
    view = y.flatten(2)
    y += F.max_pool2d(x, 3, 1, 1)
    return view.unflatten(2, x.shape[2:])


def _windows(x: Tensor, conv: nn.Module) -> Tensor:
    """Attention-like mixing in shifted 4 x 4 windows."""
    n, c, h, w = x.shape
    x = x.roll((-2, -2), (2, 3)).view(n, c, h // 4, 4, w // 4, 4)
    x = x - x.mean((3, 5), keepdim=True)
    return conv(x.reshape(n, c, h, w).roll((2, 2), (2, 3)))


def _dense(x: Tensor, a: nn.Module, b: nn.Module, c: nn.Module) -> Tensor:
    y = torch.cat([x, a(x)], 1)
    z = torch.cat([y, b(y)], 1)
    return c(z)


def _shuffled(x: Tensor, conv: nn.Module) -> Tensor:
    """Half of the channels pass: what comes out depends on which half is taken."""
    a, b = x.chunk(2, 1)
    y = torch.cat([a, conv(b)], 1)
    return y[:, :1] + conv(y[:, :1])


def _unet(x: Tensor, down: nn.Module, middle: nn.Module, up: nn.Module, last: nn.Module) -> Tensor:
    low = middle(F.relu(down(x)))
    high = F.pad(up(low), (0, x.shape[3] - 2 * low.shape[3], 0, x.shape[2] - 2 * low.shape[2]))
    return last(torch.cat([x, high], 1))


def _attention(x: Tensor, norm: nn.Module, mha: nn.Module) -> Tensor:
    tokens = norm(x.flatten(2).transpose(1, 2))
    mixed, _ = mha(tokens, tokens, tokens, need_weights=False)
    return (tokens + mixed).transpose(1, 2).unflatten(2, x.shape[2:])


def _row_attention(x: Tensor) -> Tensor:
    rows = x.permute(0, 3, 2, 1)
    return F.scaled_dot_product_attention(rows, rows, rows).permute(0, 3, 2, 1)


def _excite(x: Tensor, conv: nn.Module) -> Tensor:
    return conv(x) * torch.sigmoid(conv(F.adaptive_avg_pool2d(x, 1).expand(-1, -1, 3, 3))[:, :, 1:2, 1:2])


def _tokens_and_back(x: Tensor, linear: nn.Module, conv: nn.Module) -> Tensor:
    tokens = linear(x.flatten(2).transpose(1, 2))
    prefixed = torch.cat([tokens.new_zeros(x.shape[0], 1, 2), tokens], 1)[:, 1:]
    return conv(prefixed.transpose(1, 2).reshape(x.shape[0], 2, *x.shape[2:]))


def _unfolded(x: Tensor, linear: nn.Module) -> Tensor:
    n, _, h, w = x.shape
    return linear(F.unfold(x, 3, dilation=2, padding=2).transpose(1, 2)).transpose(1, 2).reshape(n, 2, h, w)


def _picked(x: Tensor, conv: nn.Module) -> Tensor:
    rows = torch.tensor([0, 3, 1, 2, 8, 5, 9, 4])
    return conv(x[:, :, rows][:, :, :, torch.arange(1, 12, 2)])


def _gathered(x: Tensor) -> Tensor:
    index = torch.arange(5).view(1, 1, 5, 1).expand(x.shape[0], 2, 5, 4)
    return x.gather(2, index + torch.arange(4))


def _einsum(x: Tensor) -> Tensor:
    return torch.einsum("bchw,cd,hk->bdkw", x, x.new_ones(2, 3), x.new_ones(x.shape[2], 4))


def _strips(x: Tensor, conv: nn.Module) -> Tensor:
    a, b = x.tensor_split(2, 3)
    return conv(torch.cat([a, b.flip(3)], 3))


def _focus(x: Tensor, conv: nn.Module) -> Tensor:
    return conv(torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1))


def _zeroed_channel(x: Tensor, conv: nn.Module) -> Tensor:
    y = conv(x)
    y[:, 0] = 0
    return conv(y)


def _temporal_shift(x: Tensor, conv: nn.Module) -> Tensor:
    y = x.clone()
    y[:, :1, 1:] = x[:, :1, :-1]
    return conv(y)


def _stripes(x: Tensor, conv: nn.Module) -> Tensor:
    y = torch.empty_like(x)
    y[..., :5] = conv(x[..., :5])
    y[..., 5:] = x[..., 5:].mean(-1, keepdim=True)
    return y


def _one_head(x: Tensor, conv: nn.Module) -> Tensor:
    tokens = x.flatten(2).transpose(1, 2)
    q = tokens.view(len(x), -1, 1, 2).transpose(1, 2)
    tokens = tokens + F.scaled_dot_product_attention(q, q, q).transpose(1, 2).reshape(tokens.shape)
    return conv(tokens.transpose(1, 2).reshape(x.shape))


def _listed_channels(x: Tensor, conv: nn.Module) -> Tensor:
    return conv(x)[:, torch.tensor([1, 0], device=x.device)]


def _scan(x: Tensor) -> Tensor:
    state, states = torch.zeros_like(x[..., 0]), []
    for column in x.unbind(-1):
        state = state * 0.9 + column
        states.append(state)
    return torch.stack(states, -1)


def _channels_last(x: Tensor, norm: nn.Module, conv: nn.Module) -> Tensor:
    return conv(norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


def _resize(after: bool = True, **options) -> Network:
    resize = partial(F.interpolate, **options)
    return lambda: nn.Sequential(_conv(padding=1), Forward(resize), *([_conv(padding=1)] if after else []))


def _with(forward: Callable[..., Tensor], *layers: Callable[[], nn.Module]) -> Network:
    return lambda: Forward(forward, *(layer() for layer in layers))


def _chain(*layers: Callable[[], nn.Module]) -> Network:
    return lambda: nn.Sequential(*(layer() for layer in layers))


_SAME = partial(_conv, padding=1)
_WIDE = partial(_conv, 5, padding=2)

PLANE: dict[str, Network] = {
    "stride and dilation": _chain(partial(_conv, stride=2, padding=1), partial(_conv, dilation=2, padding=1), _SAME),
    "padding wider than the window": _chain(partial(_conv, padding=4), partial(_conv, dilation=3, padding=5)),
    "even kernels": _chain(partial(_conv, 2), partial(_conv, 4, padding=2), partial(_conv, 2, stride=2)),
    "anisotropic": _chain(partial(_conv, (1, 5), stride=(2, 1), padding=(0, 2)), partial(_conv, (3, 1))),
    "grouped": _chain(partial(_conv, groups=2), nn.Tanh, partial(_conv, groups=2, padding=2)),
    "same padding": _chain(partial(_conv, 4, padding="same"), partial(_conv, 4, padding="same", dilation=2)),
    "dilated pooling": _chain(partial(nn.MaxPool2d, 3, stride=2, dilation=2), _SAME),
    "ceil mode": _chain(partial(nn.MaxPool2d, 3, 2, ceil_mode=True), partial(nn.AvgPool2d, 2, ceil_mode=True), _SAME),
    "uneven adaptive average pooling": _chain(_SAME, partial(nn.AdaptiveAvgPool2d, (5, 3)), _SAME),
    "uneven adaptive max pooling": _chain(_SAME, partial(nn.AdaptiveMaxPool2d, (7, 2)), _SAME),
    "adaptive pooling that repeats": _chain(partial(nn.AdaptiveAvgPool2d, (29, 31)), _SAME),
    "norm pooling": _chain(partial(nn.LPPool2d, 2, 3), _SAME),
    "transposed": _chain(
        partial(_conv, stride=2), partial(nn.ConvTranspose2d, 2, 2, 3, stride=2, padding=1, output_padding=1), _SAME
    ),
    "transposed with gaps": _chain(partial(nn.ConvTranspose2d, 2, 2, 2, stride=3, dilation=2), _SAME),
    "transposed and grouped": _chain(partial(nn.ConvTranspose2d, 2, 4, 4, stride=2, groups=2), partial(_conv, 3, 4)),
    "in place": _chain(
        *(step for kind in (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SiLU, nn.Mish, nn.Hardswish)
          for step in (_SAME, partial(kind, inplace=True))), partial(nn.Threshold, 0, 0, inplace=True),
    ),
    "residual in place": _with(lambda x, a: F.relu_(a(x).add_(x)), _SAME),
    "strided shortcut": _with(
        lambda x, a, b: a(x) + b(x), partial(_conv, 1, stride=2), partial(_conv, stride=2, padding=1)
    ),
    "dense": _with(_dense, _SAME, partial(_SAME, inputs=4), partial(_SAME, inputs=6)),
    "half of the channels": _with(_shuffled, partial(_SAME, inputs=1, outputs=1)),
    "channel shuffle": _chain(partial(_SAME, outputs=4), partial(nn.ChannelShuffle, 2), partial(_SAME, inputs=4)),
    "slices": _with(lambda x, a: a(x[:, :, 2:-1, ::3]), _SAME),
    "finite differences": _with(lambda x: x[:, :, 1:] - x[:, :, :-1]),
    "focus": _with(_focus, partial(_conv, inputs=8, padding=1)),
    "flip": _with(lambda x, a: a(x.flip(3)), partial(_conv, (2, 4), padding=1)),
    "flip and sum": _with(lambda x, a: a(x + x.flip(2)), _SAME),
    "mirrored half": _with(_strips, _SAME),
    "roll": _with(lambda x, a: a(a(x).roll((3, -2), (2, 3))), _SAME),
    "shifted windows": _with(_windows, partial(_conv, padding=1)),
    "transpose": _with(lambda x, a: a(a(x).transpose(2, 3)), partial(_conv, (3, 2))),
    "pixel shuffle": _chain(partial(_SAME, outputs=8), partial(nn.PixelShuffle, 2), _SAME),
    "pixel unshuffle": _chain(_SAME, partial(nn.PixelUnshuffle, 4), partial(_conv, inputs=32, padding=1)),
    "unfold": _with(_unfolded, partial(nn.Linear, 18, 2)),
    "tensor unfold": _with(lambda x: x.unfold(2, 3, 2).mean(-1)),
    "stack": _with(lambda x, a: torch.stack([x, a(x), a(a(x))]).amax(0), _SAME),
    "repeat": _with(lambda x, a: a(x.repeat(1, 1, 2, 1)), _SAME),
    "repeat interleave": _with(lambda x, a: a(a(x).repeat_interleave(3, 2)), _SAME),
    "picked rows": _with(_picked, _SAME),
    "gathered diagonal": _with(_gathered),
    "einsum over rows": _with(_einsum),
    "tokens and back": _with(_tokens_and_back, partial(nn.Linear, 2, 2), _SAME),
    "channels last norm": _with(_channels_last, partial(nn.LayerNorm, 2), _SAME),
    "attention": _with(_attention, partial(nn.LayerNorm, 2), partial(nn.MultiheadAttention, 2, 1, batch_first=True)),
    "statistics of channels": _with(lambda x, a: F.normalize(a(x)) / x.std(1)[:, None], _SAME),
    "one direction of channels": _with(lambda x, a: (a(x).permute(0, 2, 3, 1) @ x.new_ones(2))[:, None], _SAME),
    "attention in columns": _with(_row_attention),
    "squeeze and excitation": _with(_excite, _SAME),
    "group norm": _chain(_SAME, partial(nn.GroupNorm, 2, 2)),
    "instance norm": _chain(_SAME, partial(nn.InstanceNorm2d, 2)),
    "local response norm": _chain(_SAME, partial(nn.LocalResponseNorm, 3), _SAME),
    "softmax over rows": _with(lambda x: x.softmax(2)),
    "negative padding": _with(lambda x, a: a(F.pad(x, (-2, 3, 1, -4))), _SAME),
    "reflection": _chain(partial(_WIDE, padding_mode="reflect"), partial(nn.ReflectionPad2d, 3), _conv),
    "replication": _chain(partial(_WIDE, padding_mode="replicate"), partial(nn.ReplicationPad2d, 3), _conv),
    "circular": _chain(partial(_WIDE, padding_mode="circular"), _SAME),
    "circular by hand": _with(_circular_by_hand),
    "write to a view": _with(_write_to_view),
    "write under a view": _with(_write_under_view),
    "zeroed channel": _with(_zeroed_channel, _SAME),
    "temporal shift": _with(_temporal_shift, _SAME),
    "stripes": _with(_stripes, _SAME),
    "one column": _with(lambda x, a: a(x + x[..., 3:4].sum(-1, keepdim=True)), _SAME),
    "windows along one axis": _with(lambda x, a: a(F.pad(x, (0, 0, 1, 1)).unfold(2, 3, 1).mean(-1)), _SAME),
    "one head of attention": _with(_one_head, _SAME),
    "channels from a list": _with(_listed_channels, _SAME),
    "scan": _with(_scan),
    "masked": _with(lambda x, a: a(torch.where(x > 0, x, x.neg())).masked_fill(x[:, :1] > 2, 0.0), _SAME),
    "activations": _chain(
        _SAME, nn.ReLU6, nn.Hardswish, nn.GELU, nn.SiLU, nn.Mish, nn.ELU, nn.PReLU, nn.Hardtanh, nn.Softplus,
        nn.LogSigmoid, nn.Dropout, nn.LeakyReLU, nn.Hardsigmoid, _SAME,
    ),
    "gated": _chain(partial(_SAME, outputs=4), partial(nn.GLU, 1), _SAME),
    "u-net with an odd size": _with(
        _unet, partial(_conv, stride=2), _SAME, partial(nn.ConvTranspose2d, 2, 2, 2, 2), partial(_SAME, inputs=4)
    ),
    "nearest": _resize(scale_factor=2),
    "nearest, odd factor": _resize(scale_factor=1.7),
    "nearest, smaller": _resize(scale_factor=0.6),
    "nearest to a size": _resize(size=(23, 9)),
    "nearest exact": _resize(scale_factor=1.5, mode="nearest-exact"),
    "bilinear": _resize(scale_factor=2, mode="bilinear"),
    "bilinear, odd factor": _resize(scale_factor=(1.3, 2.5), mode="bilinear"),
    "bilinear to a size": _resize(size=(23, 19), mode="bilinear"),
    "bilinear, aligned": _resize(size=(23, 19), mode="bilinear", align_corners=True),
    "bicubic": _resize(scale_factor=2, mode="bicubic"),
    "bilinear, antialiased": _resize(size=(7, 5), mode="bilinear", antialias=True),
    "bicubic, antialiased": _resize(size=(7, 20), mode="bicubic", antialias=True),
}  # fmt: skip

LINE: dict[str, Network] = {
    "1-D": lambda: nn.Sequential(nn.Conv1d(2, 4, 5, 2, 1), nn.MaxPool1d(2), nn.Conv1d(4, 2, 3, padding=2, dilation=2)),
    "1-D up": lambda: nn.Sequential(nn.ConvTranspose1d(2, 2, 4, 3), nn.Upsample(scale_factor=2, mode="linear")),
    "1-D pooled": lambda: nn.Sequential(nn.AvgPool1d(3, 2, 1), nn.AdaptiveMaxPool1d(5), nn.AdaptiveAvgPool1d(3)),
    "recurrent differences": lambda: Forward(lambda x: torch.cat([x[..., :1], x[..., 1:] - x[..., :-1]], -1)),
}

VOLUME: dict[str, Network] = {
    "3-D": lambda: nn.Sequential(nn.Conv3d(2, 2, (3, 1, 2), (1, 2, 1), (1, 0, 1)), nn.MaxPool3d(2, 1), nn.AvgPool3d(2)),
    "3-D up": lambda: nn.Sequential(nn.Upsample(scale_factor=2, mode="trilinear"), nn.ConvTranspose3d(2, 2, 3, 2)),
    "3-D adaptive": lambda: nn.Sequential(nn.AdaptiveAvgPool3d((3, 1, 5)), nn.Conv3d(2, 1, 1)),
}
