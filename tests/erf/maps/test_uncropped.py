"""Where the map of a crop would differ, the whole image is measured."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from erf import effective_receptive_field, theoretical_receptive_field
from tests.erf.hard_cases import PLANE, Forward
from tests.erf.maps.whole_image_check import chain, check, images_of, made, pixels_run, places, same

pytestmark = pytest.mark.usefixtures("crop_small_images")


class Conditioned(nn.Module):
    """A 3 x 3 convolution of an image to which something was done that depends on its size."""

    def __init__(self, change, *shape):
        super().__init__()
        self.change, self.convolution = change, nn.LazyConv2d(3, 3, padding=1)
        self.table = nn.Parameter(torch.zeros(shape)) if shape else None
        self.plain = torch.linspace(1, 2, 32)[:, None].double()

    def forward(self, x):
        return self.convolution(torch.tanh(self.change(x) if self.table is None else self.change(x, self.table)))


def conditioned(change, *shape):
    def factory():
        network = Conditioned(change, *shape)
        network(torch.zeros(1, 2, 32, 32))
        return network

    return factory


def coordinates(x):
    rows = torch.linspace(-1, 1, x.shape[2], dtype=x.dtype, device=x.device)
    return torch.cat([x, rows[None, None, :, None].expand(len(x), 1, *x.shape[2:])], 1)


def masked(x):
    mask = torch.zeros(x.shape[2:], dtype=x.dtype, device=x.device)
    mask[4:] = 1
    return x * mask


def dropping_then_padding(x, conv):
    """A window at the border of a crop would see padding where the image goes on."""
    return F.pad(torch.tanh(conv(x[:, :, 2:, 2:])), (2, 2, 2, 2))


def dropping_the_end_then_padding(x, conv):
    """The same at the other end."""
    return F.pad(torch.tanh(conv(x[:, :, :-2, :-2])), (2, 2, 2, 2))


def changed_in_place(x, conv):
    """What is returned is the same tensor; more was done to it where the image is small."""
    y = conv(x)
    return y if x.shape[2] > 30 else torch.tanh_(y)


def biased_gaps(x, up, conv):
    """No pixel reaches the gaps of the transposed convolution, but they are not 0 as padding is."""
    return conv(torch.tanh(up(x)))


WHOLE = {
    "global pooling": lambda: Forward(lambda x, a: a(x) * torch.sigmoid(x.mean((2, 3), keepdim=True)), same()),
    "group norm": chain(same(), nn.GroupNorm(1, 2), same()),
    "attention": PLANE["attention"],
    "adaptive pooling": chain(same(), nn.AdaptiveAvgPool2d(8), same()),
    "adaptive pooling that keeps the size": chain(same(), nn.AdaptiveAvgPool2d(32), same()),
    "interpolation to a fixed size": chain(same(), nn.Upsample((48, 48), mode="bilinear"), same()),
    "interpolation by an odd factor": chain(same(), nn.Upsample(scale_factor=1.5, mode="bilinear"), same()),
    "aligned corners": chain(same(), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), same()),
    "coordinate channels": conditioned(coordinates),
    "position embedding": conditioned(lambda x, table: x + table, 1, 2, 32, 32),
    "interpolated position embedding": conditioned(
        lambda x, table: x + F.interpolate(table, x.shape[2:], mode="bilinear"), 1, 2, 8, 8
    ),
    "position embedding cut to size": conditioned(lambda x, table: x + table[: x.shape[2], : x.shape[3]], 40, 40),
    "rows chosen by the size": conditioned(lambda x, table: x + table[x.shape[2] // 8], 9, 1, 1),
    "mask": conditioned(masked),
    "scale that is the size": conditioned(lambda x: x * (x.shape[2] / 32)),
    "tensor that is the size": conditioned(lambda x: x * torch.tensor(x.shape[2] / 32, dtype=x.dtype)),
    "branch on the size": conditioned(lambda x: x if x.shape[2] > 30 else -x),
    "end chosen by the size": lambda: Forward(lambda x, a: torch.tanh(a(x)) if x.shape[2] > 30 else a(x), same()),
    "start chosen by the size": lambda: Forward(lambda x, a: a(x) if x.shape[2] > 30 else torch.tanh(a(x)), same()),
    "output chosen by the size": lambda: Forward(
        lambda x, a, b: (a(x), b(x))[x.shape[2] > 30], same(), same()
    ),
    "end changed in place by the size": lambda: Forward(changed_in_place, same()),
    "constant changed in place by the size": conditioned(
        lambda x, table: x + table.clone().mul_(x.shape[2] / 32), 1, 1, 1
    ),
    "repeated as often as there are rows": conditioned(
        lambda x: x[:, :, None].expand(-1, -1, x.shape[2], -1, -1).sum(2) / 32
    ),
    "rows counted from the end": lambda: Forward(
        lambda x, a: a(x[:, :, -6:])[:, :, :1], nn.Conv2d(2, 2, (9, 3), padding=(4, 1))
    ),
    "fixed view": conditioned(lambda x: x.view(len(x), 2, 8, 4, 8, 4).flip(2).reshape(x.shape)),
    "fixed slice": conditioned(lambda x: F.pad(x[:, :, 4:28, 4:28], (4, 4, 4, 4))),
    "roll": PLANE["roll"],
    "flip": PLANE["flip"],
    "shifted windows": PLANE["shifted windows"],
    "circular": PLANE["circular"],
    "circular by hand": PLANE["circular by hand"],
    "reflection": PLANE["reflection"],
    "replication": PLANE["replication"],
    "picked rows": chain(Forward(lambda x: x[:, :, torch.arange(0, 32, 2)]), same()),
    "write to a view": PLANE["write to a view"],
    "dropping, then padding": lambda: Forward(dropping_then_padding, same()),
    "dropping the end, then padding": lambda: Forward(dropping_the_end_then_padding, same()),
    "transposed convolution that drops its border": chain(nn.ConvTranspose2d(2, 2, 4, 2, 3), nn.Tanh(), same()),
    "biased gaps": lambda: Forward(biased_gaps, nn.ConvTranspose2d(2, 2, 1, 3), same()),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_the_whole_image_is_measured_where_a_crop_would_differ(name):
    network = made(WHOLE[name]())
    field = theoretical_receptive_field(network, (32, 32), channels=2)
    shares = check(network, images_of(32, 32), None, places(field.grid))
    assert shares[0] == 1


def test_shifted_window_attention_is_measured_on_the_whole_image():
    network = torchvision.models.SwinTransformer([4, 4], 8, [2, 2], [2, 2], [4, 4], num_classes=2).double().eval()
    assert check(network, images_of(64, 64, channels=3, count=1), "features.1", [(8, 9)]) == [1]


def test_train_mode_is_measured_on_the_whole_image():
    images = images_of(32, 32)
    norm = made(nn.Sequential(same(), nn.BatchNorm2d(2), same())).train()
    with pixels_run(norm) as seen:
        effective_receptive_field(norm, images, mode="as_is")
    assert set(seen) == {32 * 32}
    assert check(norm.eval(), images, None, [(16, 16)], mode="as_is")[0] < 0.1
    drawn = nn.Sequential(same(), nn.Dropout(0.5), same()).double().train()
    with pixels_run(drawn) as seen:
        effective_receptive_field(drawn, images, mode="as_is")
    assert set(seen) == {32 * 32}
