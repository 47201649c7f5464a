from itertools import chain

import pytest
import torch

from erf import InvalidInput
from erf.data.augment import FlipAndShift
from erf.data.batches import Batches, Portions
from erf.data.split import Normalization, Split
from erf.seeds import generator
from tests.oracles.one_device import OneDevice

SCALING = Normalization((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))


def numbered(count: int) -> Split:
    """Return images that differ, labelled by their index."""
    images = torch.randint(0, 256, (count, 3, 6, 6), dtype=torch.uint8, generator=generator(0))
    return Split(images, torch.arange(count), SCALING)


def order(batches: Batches, epoch: int = 0, rank: int = 0, world_size: int = 1, start_step: int = 0) -> list[list[int]]:
    return [labels.tolist() for _, labels in batches.epoch(epoch, rank, world_size, start_step=start_step)]


def equal(first, second) -> bool:
    pairs = list(zip(first, second, strict=True))
    return all(torch.equal(a, b) for one, other in pairs for a, b in zip(one, other, strict=True))


def test_a_pass_shows_every_image_once_normalized():
    split = numbered(23)
    mean, std = (torch.tensor(values)[:, None, None] for values in (SCALING.mean, SCALING.std))
    seen = []
    for images, labels in Batches(split, 5).epoch(0):
        assert images.dtype is torch.float32
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert labels.dtype is torch.int64
        expected = (split.images[labels] / 255 - mean) / std
        torch.testing.assert_close(images, expected, rtol=0, atol=1e-5)
        seen.append(labels)
    assert [len(labels) for labels in seen] == [5, 5, 5, 5, 3]
    assert sorted(torch.cat(seen).tolist()) == list(range(23))


def test_the_order_depends_on_seed_and_epoch_only():
    first = Batches(numbered(40), 8, seed=3)
    before = torch.random.get_rng_state()
    assert order(first, 2) == order(first, 2) == order(Batches(numbered(40), 8, seed=3), 2)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert len({str(order(Batches(numbered(40), 8, seed=seed), epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_without_shuffling_the_order_is_the_splits():
    assert order(Batches(numbered(7), 3, shuffle=False), 5) == [[0, 1, 2], [3, 4, 5], [6]]


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize(("count", "drop_last"), [(24, False), (24, True), (29, False), (29, True), (13, False)])
def test_processes_share_the_images_of_each_step(world_size, count, drop_last):
    batches = Batches(numbered(count), 4, seed=1, drop_last=drop_last)
    alone = Batches(numbered(count), 4 * world_size, seed=1, drop_last=drop_last)
    assert batches.steps(world_size) == alone.steps()
    parts = [order(batches, 1, rank, world_size) for rank in range(world_size)]
    assert {len(part) for part in parts} == {batches.steps(world_size)}
    assert [list(chain(*step)) for step in zip(*parts, strict=True)] == order(alone, 1)
    sizes = [[len(images) for images in part] for part in parts]
    assert all(max(step) - min(step) <= 1 for step in zip(*sizes, strict=True))
    if drop_last:
        assert {size for part in sizes for size in part} == {4}


@pytest.mark.parametrize(("count", "batch_size", "world_size", "steps", "dropped"), [
    (24, 4, 1, 6, 6), (25, 4, 1, 7, 6), (25, 4, 3, 3, 2), (3, 4, 1, 1, None), (8, 4, 2, 1, 1),
])  # fmt: skip
def test_the_number_of_steps(count, batch_size, world_size, steps, dropped):
    assert Batches(numbered(count), batch_size).steps(world_size) == steps
    if dropped is not None:
        assert Batches(numbered(count), batch_size, drop_last=True).steps(world_size) == dropped


def test_the_last_step_of_many_processes_may_be_empty():
    images, labels = list(Batches(numbered(5), 1).epoch(0, rank=3, world_size=4))[-1]
    assert (images.shape, labels.shape) == ((0, 3, 6, 6), (0,))


@pytest.mark.parametrize("rank", [0, 1])
def test_a_pass_can_start_at_any_step(rank):
    batches = Batches(numbered(29), 4, seed=2, augment=FlipAndShift(2))
    all_steps = list(batches.epoch(3, rank, 2))
    for start in range(batches.steps(2) + 1):
        assert equal(batches.epoch(3, rank, 2, start_step=start), all_steps[start:])


def test_augmentation_differs_by_seed_epoch_process_and_step_and_by_nothing_else():
    given = []

    def augment(images, labels, draws):
        assert images.dtype is torch.uint8
        given.append(torch.rand(1, generator=draws).item())
        return images, labels

    for _ in range(2):
        for seed in (0, 1):
            for epoch in (0, 1):
                for rank in (0, 1):
                    list(Batches(numbered(12), 3, seed, augment).epoch(epoch, rank, 2))
    assert given[:16] == given[16:]
    assert len(set(given[:16])) == 16


def test_augmented_batches_are_those_of_the_augmentation():
    split = numbered(6)
    for images, labels in Batches(split, 6, augment=lambda images, labels, _: (images.flip(3), labels + 1)).epoch(0):
        assert torch.equal(images, SCALING(split.images[labels - 1].flip(3)))


def test_labels_of_pixels_move_with_the_image():
    images = torch.arange(12, dtype=torch.uint8).reshape(1, 1, 3, 4).expand(2, 3, 3, 4)
    batches = Batches(Split(images, images[:, 0]), 2, augment=FlipAndShift(1))
    ((x, labels),) = batches.epoch(0)
    assert labels.dtype is torch.int64
    torch.testing.assert_close((x * 255).round().long()[:, 0], labels)


def test_no_tensor_forgets_its_device():
    with OneDevice() as guard:
        for augment in (None, FlipAndShift(2)):
            for images, labels in Batches(numbered(5), 3, augment=augment).epoch(0, device=torch.device("meta")):
                assert (images.device.type, labels.device.type) == ("meta", "meta")
    assert guard.seen == {"cpu", "meta"}


def test_bad_sizes():
    with pytest.raises(InvalidInput, match="batch_size=0: allowed are whole numbers from 1"):
        Batches(numbered(3), 0)
    with pytest.raises(InvalidInput, match="the split has no images"):
        Batches(numbered(3).subset(torch.arange(0)), 1)
    with pytest.raises(InvalidInput, match="batch_size=3 in 2 processes: allowed with 5 images are up to 2"):
        Batches(numbered(5), 3, drop_last=True).steps(world_size=2)


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(("length", "drop_last"), [(1, True), (2, False), (5, True), (9, False)])
def test_portions_are_the_steps_of_all_passes_one_after_another(rank, length, drop_last):
    batches = Batches(numbered(29), 4, seed=2, augment=FlipAndShift(2), drop_last=drop_last)
    portions = Portions(batches, length)
    passes = list(chain.from_iterable(batches.epoch(number, rank, 2) for number in range(14)))
    assert portions.steps(2) == length
    for number in range(4):
        of_passes = passes[number * length : (number + 1) * length]
        for start in range(length + 1):
            assert equal(portions.epoch(number, rank, 2, start_step=start), of_passes[start:])


def test_bad_portions():
    with pytest.raises(InvalidInput, match="length=0: allowed are whole numbers from 1"):
        Portions(Batches(numbered(3), 1), 0)
    with pytest.raises(InvalidInput, match="batch_size=4"):
        Portions(Batches(numbered(3), 4, drop_last=True), 2).steps()
