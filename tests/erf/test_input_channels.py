"""The number of channels that a network takes, from where the image is first read."""

import pytest
from torch import nn

from erf import InvalidInput, theoretical_receptive_field

FIRST_READ = {
    "pixel unshuffle": (lambda: nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 8, 3)), (32, 32), (6, 6)),
    "four channels, unshuffled": (lambda: nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(16, 8, 3)), (32, 32), (6, 6)),
    "grouped": (lambda: nn.Sequential(nn.Conv2d(6, 6, 3, groups=3)), (16, 16), (3, 3)),
    "transposed": (lambda: nn.Sequential(nn.ConvTranspose2d(5, 2, 3)), (16, 16), (3, 3)),
    "fully connected": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(2 * 36, 4)), (6, 6), None),
    "head registered first": (
        lambda: nn.ModuleDict({"head": nn.Conv2d(9, 2, 1), "stem": nn.Conv2d(2, 9, 3)}), (16, 16), (3, 3)
    ),
    "one axis": (lambda: nn.Sequential(nn.Conv1d(7, 2, 3)), (16,), (3,)),
    "three axes": (lambda: nn.Sequential(nn.Conv3d(2, 2, 3)), (6, 6, 6), (3, 3, 3)),
}  # fmt: skip


@pytest.mark.parametrize(("make", "size", "expected"), FIRST_READ.values(), ids=FIRST_READ)
def test_the_number_of_channels_is_taken_from_where_the_image_is_first_read(make, size, expected):
    network = make()
    call = (lambda n, x: n["head"](n["stem"](x))) if isinstance(network, nn.ModuleDict) else None
    field = theoretical_receptive_field(network, size, call=call)
    assert expected is None or field.size == expected


def test_channels_that_do_not_fit_name_the_argument():
    with pytest.raises(InvalidInput, match=r"input \[N, 12, 32, 32\] \(its first layer takes 3 channels.*channels=3\)"):
        theoretical_receptive_field(nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 8, 3)), 32, channels=12)
