import numpy as np
import pytest
import torch

from erf import InvalidInput
from erf.data.split import DataSet, Normalization, Split
from erf.seeds import generator


def random_split(count: int = 6, side: int = 5, seed: int = 0) -> Split:
    images = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator(seed))
    return Split(images, torch.arange(count))


def test_normalization_against_numpy():
    images = torch.randint(0, 200, (7, 3, 5, 4), dtype=torch.uint8, generator=generator(0))
    images[:, 1] //= 3
    scaling = Normalization.of(images)
    levels = images.numpy() / 255
    np.testing.assert_allclose(scaling.mean, levels.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(scaling.std, levels.std((0, 2, 3)), rtol=1e-12)
    x = scaling(images)
    expected = (levels - levels.mean((0, 2, 3), keepdims=True)) / levels.std((0, 2, 3), keepdims=True)
    np.testing.assert_allclose(x.numpy(), expected, atol=1e-5)
    assert x.dtype is torch.float32
    assert x.is_contiguous(memory_format=torch.channels_last)


def test_without_statistics_pixels_are_from_0_to_1():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8)[None, :, None, None]
    torch.testing.assert_close(Normalization()(images).flatten(), torch.tensor([0, 0.2, 1]))


def test_a_constant_channel_cannot_be_scaled():
    images = random_split().images
    images[:, 2] = 7
    for bad in (images, images[:0]):
        with pytest.raises(InvalidInput, match="a channel of the images is constant"):
            Normalization.of(bad)


def test_a_data_set_has_the_scaling_of_its_training_images():
    splits = [random_split(seed=seed) for seed in range(3)]
    data = DataSet.normalized(*splits, classes=("a",))
    assert data.train.normalization == data.validation.normalization == Normalization.of(splits[0].images)
    assert torch.equal(data.test.normalized(), data.train.normalization(splits[2].images))
    assert torch.equal(data.test.normalized(slice(1, 3)), data.test.normalized()[1:3])


def test_the_content_is_that_of_all_pixels_and_labels():
    splits = [random_split(seed=seed) for seed in range(3)]
    data = DataSet(*splits, classes=())
    layout = Split(splits[1].images.contiguous(memory_format=torch.channels_last), splits[1].labels)
    assert DataSet(splits[0], layout, splits[2], ()).content() == data.content()
    others = {data.content()}
    for index in range(3):
        for field in ("images", "labels"):
            changed = [Split(s.images.clone(), s.labels.clone()) for s in splits]
            getattr(changed[index], field).view(-1)[-1] += 1
            others.add(DataSet(*changed, classes=()).content())
    assert len(others) == 7


def test_subsets():
    split = random_split()
    chosen = split.subset(torch.tensor([4, 1]))
    assert chosen.labels.tolist() == [4, 1]
    assert torch.equal(chosen.images, split.images[[4, 1]])
    assert len(chosen) == 2


def test_shuffled_labels_keep_images_and_frequencies():
    split = random_split(50)
    first, again, other = (split.with_shuffled_labels(seed) for seed in (0, 0, 1))
    assert torch.equal(first.images, split.images)
    assert sorted(first.labels.tolist()) == list(range(50))
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.labels, other.labels)
    assert int((first.labels == split.labels).sum()) < 10


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.zeros(2, 3, 4, 4), torch.zeros(2), r"images must be uint8 \[N, C, H, W\], not torch.float32"),
        (torch.zeros(2, 4, 4, dtype=torch.uint8), torch.zeros(2), r"images must be uint8 .* \[2, 4, 4\]"),
        (torch.zeros(2, 3, 4, 5, dtype=torch.uint8), torch.zeros(3), r"labels must have shape .*, not \[3\]"),
        (torch.zeros(2, 3, 4, 5, dtype=torch.uint8), torch.zeros(2, 5, 4), r"labels must have .*, not \[2, 5, 4\]"),
    ],
)
def test_bad_shapes(images, labels, message):
    with pytest.raises(InvalidInput, match=message):
        Split(images, labels)
