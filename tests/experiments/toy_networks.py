"""Networks as a user's file would make them."""

import torch
from torch import nn


def make():
    """Four convolutions at stride 1, then one of stride 2 and one of dilation 2: TRFs of 9 and 19 pixels."""
    stem = [part for channels in (3, 8, 8, 8) for part in (nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU())]
    return nn.Sequential(
        *stem, nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=2, dilation=2)
    )


def with_attention():
    """A squeeze by the global mean, which gives its successors an infinite TRF."""

    class Squeeze(nn.Module):
        def forward(self, x):
            return x * torch.sigmoid(x.mean((2, 3), keepdim=True))

    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), Squeeze(), nn.Conv2d(4, 4, 3, padding=1))


def alone():
    """One module without others in it."""
    return nn.Conv2d(3, 4, 3, padding=1)


def pooled():
    """Nothing local is left of its output."""
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))


def assumed():
    """An operator that no rule knows is taken to join all that it reads."""

    class Renormed(nn.Module):
        def forward(self, x):
            return x.renorm(2, 1, 1.0)

    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), Renormed())


def normalized():
    """In train mode, its batch norm joins all pixels."""
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4))


def classifier():
    """Its output has no spatial axes."""
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 24 * 24, 10))


class TwoOutputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        return self.conv(x), x


class Dead(nn.Module):
    """No input reaches its output through anything but a ReLU that is off."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        return torch.relu(self.conv(x).abs() * -1)


class Holes(nn.Module):
    """Four corners, the center between them a hole."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 2, dilation=4, padding=2)

    def forward(self, x):
        return self.conv(x)


def video():
    return nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv3d(4, 4, (1, 3, 3), padding=(0, 1, 1)))


def signal():
    """One axis: TRFs of 5 and 13 samples, then a norm that spans all of them."""
    return nn.Sequential(
        nn.Conv1d(1, 8, 5, padding=2), nn.ReLU(), nn.Conv1d(8, 8, 5, padding=4, dilation=2), nn.GroupNorm(2, 8)
    )


class Overflows(nn.Module):
    """Its gradient overflows once it has been asked for often enough, as for a rare image."""

    calls = 0

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        if x.device.type != "meta":
            Overflows.calls += 1
        return self.conv(x) * (torch.inf if Overflows.calls > 3 else 1)


def overflows():
    return Overflows()
