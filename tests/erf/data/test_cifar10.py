import numpy as np
import pytest
import torch

from erf import InvalidInput
from erf.data import cifar10
from tests.erf.data.tiny_sets import cifar_binary, cifar_folder, write_image


def test_an_image_folder_pixel_by_pixel(tmp_path):
    written = cifar_folder(tmp_path / "cifar10", train=20, test=2)
    data = cifar10.load(tmp_path, partial=True)
    assert data.classes == cifar10.CLASSES
    assert {name: len(split) for name, split in data.splits().items()} == {"train": 180, "validation": 20, "test": 20}
    for label, name in enumerate(cifar10.CLASSES):
        for splits, pool in [((data.train, data.validation), "train"), ((data.test,), "test")]:
            loaded = {i.permute(1, 2, 0).numpy().tobytes() for s in splits for i in s.images[s.labels == label]}
            assert loaded == {
                pixels.tobytes() for path, pixels in written.items() if path.startswith(f"{pool}/{name}/")
            }


def test_the_binary_version_pixel_by_pixel(tmp_path):
    cifar_binary(tmp_path, train=1, test=1, files=2)
    pools = cifar10.read_pools(tmp_path, partial=True)
    content = (tmp_path / "data_batch_1.bin").read_bytes() + (tmp_path / "data_batch_2.bin").read_bytes()
    train = pools["train"]
    assert train.images.shape == (20, 3, 32, 32)
    assert train.images.dtype is torch.uint8
    assert train.labels.dtype is torch.int64
    for index in (0, 1, 19):
        record = content[index * 3073 : (index + 1) * 3073]
        assert int(train.labels[index]) == record[0]
        for channel, row, column in [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (2, 31, 30)]:
            assert int(train.images[index, channel, row, column]) == record[1 + 1024 * channel + 32 * row + column]


def test_both_layouts_hold_the_same(tmp_path):
    cifar_folder(tmp_path / "images")
    (tmp_path / "binary").mkdir()
    cifar10.write_pools(cifar10.read_pools(tmp_path / "images", partial=True), tmp_path / "binary")
    from_images, from_binary = (cifar10.read(tmp_path / name, partial=True) for name in ("images", "binary"))
    assert from_images.content() == from_binary.content()
    cifar_folder(tmp_path / "others", seed=1)
    assert cifar10.read(tmp_path / "others", partial=True).content() != from_images.content()


def test_the_validation_split_is_stratified_and_fixed(tmp_path):
    cifar_binary(tmp_path, train=15, files=2)
    first, again = (cifar10.read(tmp_path, partial=True) for _ in range(2))
    assert torch.bincount(first.validation.labels).tolist() == [3] * 10
    assert torch.bincount(first.train.labels).tolist() == [27] * 10
    assert torch.equal(first.validation.images, again.validation.images)
    everything = cifar10.read_pools(tmp_path, partial=True)["train"].images
    joined = torch.cat([first.train.images, first.validation.images])
    assert sorted(map(bytes, everything.flatten(1).numpy())) == sorted(map(bytes, joined.flatten(1).numpy()))
    # Not the first of each class.
    assert not torch.equal(first.validation.images[0], everything[0])


def test_the_scaling_is_that_of_the_training_images(tmp_path):
    cifar_binary(tmp_path)
    data = cifar10.read(tmp_path, partial=True)
    x = data.train.normalized().double()
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(3).double(), rtol=0, atol=1e-5)
    torch.testing.assert_close(x.var((0, 2, 3), unbiased=False), torch.ones(3).double(), rtol=0, atol=1e-5)
    assert data.test.normalization == data.validation.normalization == data.train.normalization


def replace_file(folder, path, content):
    (folder / path).write_bytes(content)


def truncated_png(folder):
    path = folder / "train/cat/0001.png"
    path.write_bytes(path.read_bytes()[:900])


BROKEN_FOLDERS = [
    (truncated_png, r"1 problem: train/cat/0001.png: not a readable image \(.+\)"),
    (lambda f: replace_file(f, "train/cat/0000.png", b"no image"), r"train/cat/0000.png: not a readable image \(.+\)"),
    (lambda f: replace_file(f, "train/cat/0000.png", b""), r"train/cat/0000.png: not a readable image"),
    (
        lambda f: write_image(f / "test/dog/0000.png", np.zeros((32, 31, 3), np.uint8)),
        r"test/dog/0000.png: 32 x 31 pixels \(rows x columns\), not 32 x 32",
    ),
    (
        lambda f: write_image(f / "test/dog/0000.png", np.zeros((32, 32, 4), np.uint8)),
        r"test/dog/0000.png: pixels of mode RGBA; allowed: RGB, L, P",
    ),
    (lambda f: (f / "train/horses").mkdir(), r"train/horses: not a class; allowed: airplane, automobile, .*truck"),
    (lambda f: (f / "test/frog/0000.png").unlink(), r"test: 0 images of frog, at least 1 needed"),
]


@pytest.mark.parametrize(("damage", "message"), BROKEN_FOLDERS)
def test_what_is_wrong_with_an_image_folder_is_named(damage, message, tmp_path):
    cifar_folder(tmp_path / "cifar10")
    damage(tmp_path / "cifar10")
    with pytest.raises(InvalidInput, match=message) as raised:
        cifar10.load(tmp_path, partial=True)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(f"data_dir={tmp_path}: {tmp_path / 'cifar10'}: 1 problem: ")
    assert str(raised.value).endswith(f"; to fetch it: python scripts/fetch_data.py cifar10 --data-dir {tmp_path}")


def test_the_first_problems_are_listed_and_all_are_counted(tmp_path):
    cifar_folder(tmp_path)
    for path in sorted(tmp_path.glob("train/*/*.png"))[:8]:
        path.write_bytes(b"no image")
    with pytest.raises(InvalidInput, match=r": 8 problems: (train/\w+/\d{4}.png: [^;]+; ){5}and 3 more$"):
        cifar10.read(tmp_path, partial=True)


def test_a_grey_image_is_a_colour_image(tmp_path):
    cifar_folder(tmp_path)
    grey = np.arange(1024, dtype=np.uint8).reshape(32, 32)
    write_image(tmp_path / "test/airplane/0000.png", grey)
    image = cifar10.read(tmp_path, partial=True).test.images[0]
    assert np.array_equal(image.numpy(), np.stack([grey] * 3))


def test_hidden_files_are_passed_over(tmp_path):
    cifar_folder(tmp_path)
    before = cifar10.read(tmp_path, partial=True).content()
    (tmp_path / "train" / ".cache").mkdir()
    for name in ("._0000.png", "notes.txt"):
        (tmp_path / "train" / "cat" / name).write_bytes(b"no image")
    assert cifar10.read(tmp_path, partial=True).content() == before


def test_what_is_wrong_with_the_binary_version_is_named(tmp_path):
    cifar_binary(tmp_path)
    path = tmp_path / "data_batch_2.bin"
    content = bytearray(path.read_bytes())
    content[3 * 3073] = 10
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"1 problem: data_batch_2.bin: image 3 has label 10, allowed are 0 to 9"):
        cifar10.read(tmp_path, partial=True)
    path.write_bytes(content[:-5])
    with pytest.raises(InvalidInput, match=r"data_batch_2.bin: 92185 bytes are not a whole number of records of 3073"):
        cifar10.read(tmp_path, partial=True)
    path.unlink()
    (tmp_path / "test_batch.bin").unlink()
    with pytest.raises(InvalidInput, match=r"10 problems: test: 0 images of airplane, at least 1 needed"):
        cifar10.read(tmp_path, partial=True)


def test_the_published_counts_are_demanded(tmp_path):
    cifar_binary(tmp_path)
    with pytest.raises(InvalidInput, match=r"20 problems: train: 6 images of airplane, not 5000; .*; and 15 more"):
        cifar10.read(tmp_path)
    assert cifar10.PER_CLASS == {"train": 5000, "test": 1000}


def test_a_missing_folder_says_how_to_fetch_it(tmp_path):
    (tmp_path / "cifar10").mkdir()
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InvalidInput, match=r"holds no CIFAR-10: neither .* nor train\|test/<class>") as raised:
            cifar10.load(folder)
        assert str(raised.value).endswith(f"python scripts/fetch_data.py cifar10 --data-dir {folder}")
