"""Tiny networks whose patterns of signs can all be tried, by what they are made of."""

import torch
from torch import nn
from torch.nn import functional as F

from tests.erf.theory.sign_patterns import weights_of


class Residual(nn.Module):
    """x + branch(x)."""

    def __init__(self, *branch: nn.Module, skip: nn.Module | None = None):
        super().__init__()
        self.branch, self.skip = nn.Sequential(*branch), skip or nn.Identity()

    def forward(self, x):
        return self.skip(x) + self.branch(x)


class Joined(Residual):
    """Both, as channels."""

    def forward(self, x):
        return torch.cat([self.skip(x), self.branch(x)], 1)


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def conv(inputs=1, outputs=1, kernel=(1, 2), **changes):
    return nn.Conv2d(inputs, outputs, kernel, bias=False, **changes)


def scale(*factors, variance=None):
    """Batch norm that only scales; None are variances of its own for each channel."""
    norm = nn.BatchNorm2d(len(factors), eps=0)
    norm.weight.data = torch.tensor(factors)
    norm.running_var = torch.linspace(0.5, 2, len(factors)) if variance is None else torch.tensor(variance)
    return norm


def blur():
    kernel = torch.tensor([1.0, 2, 1]).outer(torch.tensor([1.0, 3, 2]))[None, None] / 24
    return Function(lambda x: F.conv2d(x, kernel.to(x).expand(x.shape[1], -1, -1, -1), groups=x.shape[1], padding=1))


UP = nn.Upsample(scale_factor=2, mode="bilinear")
LINEAR = {
    "convolution": [conv(1, 2, (2, 2)), conv(2, 1)],
    "strides": [conv(kernel=(2, 2), stride=(1, 2)), conv(kernel=(1, 3), stride=2)],
    "dilation and padding": [conv(kernel=(1, 3), dilation=(1, 2), padding=(0, 2)), conv(padding=(0, 1))],
    "groups": [conv(2, 4, (1, 2), groups=2), conv(4, 1, (1, 1))],
    "batch scale": [conv(1, 2), scale(2.0, 0.5), conv(2, 1)],
    "residual": [conv(), Residual(conv(kernel=(1, 3), padding=(0, 1)), scale(3.0)), conv()],
    "shortcut": [conv(1, 2), Residual(conv(2, 2, (1, 1)), skip=conv(2, 2, (1, 1))), scale(1.0, 2.0)],
    "channels joined": [Joined(conv(), skip=conv()), conv(2, 1, (1, 1))],
    "average pool": [conv(1, 2), nn.AvgPool2d(2), conv(2, 1)],
    "overlapping average pools": [nn.AvgPool2d(3, 1), conv(), nn.AvgPool2d(3, 1, 1), nn.AvgPool2d(2, 1), conv()],
    "average pools of unequal sides": [nn.AvgPool2d((1, 3), (1, 2), (0, 1), True, False), conv(), nn.AvgPool2d(2, 1)],
    "average pools around strides": [nn.AvgPool2d(3, 1), conv(kernel=(2, 2), stride=2), nn.AvgPool2d(2, 1)],
    "padding between average pools": [
        nn.AvgPool2d((1, 3), 1, (0, 1)),
        *[conv(kernel=(1, 3), padding=(0, 1)) for _ in range(2)],
        nn.AvgPool2d((1, 3), 1, (0, 1)),
    ],
    "adaptive pool": [conv(), nn.AvgPool2d(2, 1), nn.AdaptiveAvgPool2d((3, 2)), conv()],
    "global pool": [nn.AvgPool2d(2, 1), conv(1, 3), nn.AdaptiveAvgPool2d(1), conv(3, 2, (1, 1))],
    "mean": [nn.AvgPool2d(2, 1), conv(1, 3), Function(lambda x: x.mean((2, 3))), nn.Linear(3, 2, bias=False)],
    "bilinear upsampling": [conv(), UP, conv()],
    "two upsamplings": [conv(), UP, conv(kernel=(2, 1)), UP, conv()],
    "aligned corners": [conv(), nn.UpsamplingBilinear2d(scale_factor=2), conv(), nn.UpsamplingBilinear2d(size=(9, 7))],
    "bicubic and nearest": [nn.Upsample(scale_factor=2), conv(), nn.Upsample(scale_factor=2, mode="bicubic"), conv()],
    "transposed convolution": [conv(), nn.ConvTranspose2d(1, 2, (1, 3), 2, bias=False), nn.AvgPool2d(2, 1)],
    "pools around a transposed convolution": [
        nn.AvgPool2d(3, 1),
        nn.ConvTranspose2d(1, 1, (2, 3), 2, (0, 1), (1, 0), bias=False),
        nn.AvgPool2d(3, 1),
    ],
    "reflection": [conv(kernel=(1, 3), padding=(0, 1), padding_mode="reflect"), nn.ReflectionPad2d(2), conv()],
    "replication": [nn.ReplicationPad2d(1), conv(), nn.ReplicationPad2d((2, 1, 0, 1)), conv(kernel=(2, 1))],
    "blur": [blur(), conv(kernel=(1, 3), stride=2), blur(), conv()],
    "crops and flips": [
        nn.AvgPool2d(2, 1),
        Function(lambda x: x[:, :, 1:, ::2].flip(3)),
        conv(),
        nn.ZeroPad2d((1, 0, 0, 0)),
        nn.AvgPool2d(2, 1),
    ],
    "split channels": [
        conv(1, 4, (1, 1)),
        Function(lambda x: torch.cat([2 * x.chunk(2, 1)[1], -x.chunk(2, 1)[0]], 1)),
        nn.ChannelShuffle(2),
        conv(4, 1),
    ],
    "vector": [
        conv(1, 2, (1, 1)),
        nn.AvgPool2d((3, 6)),
        nn.Flatten(),
        nn.Linear(4, 2, bias=False),
        nn.Linear(2, 1, bias=False),
    ],
    "factors": [
        nn.AvgPool2d(2, 1, padding=(0, 1)),
        conv(),
        Function(lambda x: (3 - x / 2) * torch.arange(1.0, 7)),
        nn.AvgPool2d(2, 1),
        conv(),
    ],
}
RELU = {
    "stack": [
        conv(1, 2),
        nn.ReLU(),
        conv(2, 1),
        nn.ReLU(inplace=True),
        conv(1, 2, (1, 1)),
        nn.ReLU(),
        conv(2, 1, (1, 1)),
    ],
    "batch scale": [conv(1, 2, (2, 1)), scale(2.0, 0.5), nn.ReLU(), conv(2, 1), scale(-3.0), nn.ReLU(), conv()],
    "leaky": [conv(1, 2), nn.LeakyReLU(0.3), conv(2, 1), nn.LeakyReLU(-2.0), conv()],
    "strides": [conv(1, 2, (2, 1), stride=2), nn.ReLU(), conv(2, 1, (1, 3), padding=(0, 1))],
    "residual": [conv(), Residual(conv(1, 2), nn.ReLU(), conv(2, 1), nn.ZeroPad2d((1, 1, 0, 0)))],
    "average pool on a convolution": [conv(1, 2), nn.AvgPool2d(2), nn.ReLU(), conv(2, 1)],
    "average pool on the image": [nn.AvgPool2d(3, 1), conv(1, 2, stride=2), nn.ReLU(), conv(2, 1), nn.ReLU()],
    "upsampling on a convolution": [conv(1, 2), UP, nn.ReLU(), conv(2, 1), nn.ReLU(), conv()],
    "transposed convolution": [conv(1, 2), nn.ReLU(), nn.ConvTranspose2d(2, 1, 2, 2, bias=False), nn.ReLU()],
}
CASES = {f"linear: {name}": layers for name, layers in LINEAR.items()}
CASES |= {f"ReLU: {name}": layers for name, layers in RELU.items()}
SIDE = 6


def network_of(layers, seed=0):
    """Return a network of given layers in float64, with other magnitudes for each weight."""
    torch.manual_seed(seed)
    network = nn.Sequential(*layers).double().eval()
    for weight in weights_of(network).values():
        weight.data = 0.5 + torch.rand_like(weight)
    return network


def image_of(network, seed=1):
    torch.manual_seed(seed)
    return torch.randn(1, network[0].in_channels if isinstance(network[0], nn.Conv2d) else 1, SIDE, SIDE).double()
