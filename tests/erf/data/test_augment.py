import itertools
from collections import Counter

import numpy as np
import pytest
import torch

from erf import InvalidInput
from erf.data.augment import FlipAndShift
from erf.seeds import generator
from tests.oracles.one_device import OneDevice

ROWS, COLUMNS = 9, 10


def moved(image: np.ndarray, down: int, right: int, mirrored: bool, shift: int) -> np.ndarray:
    """Return ``[..., H, W]``, padded by its reflection, cropped at an offset, and mirrored."""
    sides = [(0, 0)] * (image.ndim - 2) + [(shift, shift)] * 2
    padded = np.pad(image, sides, mode="reflect")
    crop = padded[..., shift + down : shift + down + ROWS, shift + right : shift + right + COLUMNS]
    return crop[..., ::-1] if mirrored else crop


@pytest.mark.parametrize("shift", [0, 1, 2, 4])
@pytest.mark.parametrize("flip", [True, False])
def test_every_image_is_a_padded_crop_and_all_are_equally_likely(shift, flip):
    count = 3000
    image = torch.arange(2 * ROWS * COLUMNS).reshape(2, ROWS, COLUMNS)
    labels = 1000 + torch.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    images, classes = FlipAndShift(shift, flip)(
        image.expand(count, -1, -1, -1), labels.expand(count, -1, -1), generator(shift)
    )
    moves = list(itertools.product(range(-shift, shift + 1), range(-shift, shift + 1), [False, True][: 1 + flip]))
    expected = {moved(image.numpy(), *move, shift).tobytes(): move for move in moves}
    assert len(expected) == len(moves)
    drawn = [expected[np.ascontiguousarray(one).tobytes()] for one in images.numpy()]
    for move, one in zip(drawn, classes.numpy(), strict=True):
        assert np.array_equal(one, moved(labels.numpy(), *move, shift))
    mean = count / len(moves)
    counts = Counter(drawn)
    assert all(abs(counts[move] - mean) <= 5 * mean**0.5 for move in moves)


def test_images_come_in_channels_last_and_labels_of_images_are_left():
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8, generator=generator(0))
    before, labels = images.clone(), torch.arange(4)
    changed, same = FlipAndShift(2)(images, labels, generator(1))
    assert changed.is_contiguous(memory_format=torch.channels_last)
    assert (changed.dtype, changed.shape) == (torch.uint8, images.shape)
    assert same is labels
    assert torch.equal(images, before)


def test_draws_depend_on_the_generator_only():
    images = torch.randint(0, 256, (9, 3, 8, 8), dtype=torch.uint8, generator=generator(0))
    first, again, other = (FlipAndShift(2)(images, torch.arange(9), generator(seed))[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_no_tensor_forgets_its_device():
    images, labels = torch.zeros(2, 3, 8, 8, device="meta"), torch.zeros(2, 8, 8, device="meta")
    with OneDevice() as guard:
        images, labels = FlipAndShift(2)(images, labels, generator(0))
    assert (images.device.type, labels.device.type) == ("meta", "meta")
    assert guard.seen == {"cpu", "meta"}


def test_bad_shifts():
    with pytest.raises(InvalidInput, match="shift=-1: allowed are whole numbers from 0"):
        FlipAndShift(-1)
    with pytest.raises(InvalidInput, match="shift=5: images of 8 x 5 pixels allow 4"):
        FlipAndShift(5)(torch.zeros(1, 3, 8, 5), torch.zeros(1), generator(0))
