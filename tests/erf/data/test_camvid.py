import numpy as np
import pytest
import torch

from erf import InvalidInput
from erf.data import camvid
from tests.erf.data.tiny_sets import camvid_folder, write_image


def test_frames_and_labels_pixel_by_pixel(tmp_path):
    written = camvid_folder(tmp_path / "camvid", frames=3)
    data = camvid.load(tmp_path, partial=True)
    assert (len(data.classes), camvid.VOID) == (11, 11)
    for split, part in [(data.train, "train"), (data.validation, "val"), (data.test, "test")]:
        assert len(split) == 3
        assert (split.images.dtype, split.labels.dtype) == (torch.uint8, torch.uint8)
        for index in range(3):
            frame, labels = written[f"{part}/{index:03}.png"], written[f"{part}annot/{index:03}.png"]
            assert np.array_equal(split.images[index].permute(1, 2, 0).numpy(), frame)
            assert np.array_equal(split.labels[index].numpy(), labels)
    x = data.train.normalized().double()
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(3).double(), rtol=0, atol=1e-5)


def high_label(folder):
    labels = np.zeros((12, 16), np.uint8)
    labels[3, 4] = 12
    write_image(folder / "valannot/001.png", labels)


def truncated(folder):
    path = folder / "test/001.png"
    path.write_bytes(path.read_bytes()[:200])


BROKEN = [
    (high_label, r"valannot/001.png: label 12, allowed are 0 to 11"),
    (truncated, r"test/001.png: not a readable image \(.+\)"),
    (lambda f: (f / "trainannot/000.png").unlink(), r"trainannot/000.png is missing"),
    (lambda f: (f / "test/000.png").unlink(), r"test/000.png is missing"),
    (
        lambda f: write_image(f / "train/001.png", np.zeros((12, 15, 3), np.uint8)),
        r"train/001.png: 12 x 15 pixels \(rows x columns\), not 12 x 16",
    ),
    (
        lambda f: write_image(f / "val/000.png", np.zeros((11, 16, 3), np.uint8)),
        r"val/000.png: 11 x 16 pixels \(rows x columns\), not 12 x 16",
    ),
    (
        lambda f: write_image(f / "testannot/000.png", np.zeros((12, 17), np.uint8)),
        r"testannot/000.png: 12 x 17 pixels \(rows x columns\), not 12 x 16",
    ),
    (
        lambda f: write_image(f / "testannot/000.png", np.zeros((12, 16, 3), np.uint8)),
        r"testannot/000.png: pixels of mode RGB; allowed: L, P",
    ),
]


@pytest.mark.parametrize(("damage", "message"), BROKEN)
def test_what_is_wrong_is_named(damage, message, tmp_path):
    camvid_folder(tmp_path / "camvid")
    damage(tmp_path / "camvid")
    with pytest.raises(InvalidInput, match=message) as raised:
        camvid.load(tmp_path, partial=True)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(f"data_dir={tmp_path}: {tmp_path / 'camvid'}: 1 problem: ")
    assert str(raised.value).endswith(f"; to fetch it: python scripts/fetch_data.py camvid --data-dir {tmp_path}")


def test_a_missing_part_is_named(tmp_path):
    camvid_folder(tmp_path)
    for path in (tmp_path / "valannot").iterdir():
        path.unlink()
    with pytest.raises(
        InvalidInput, match=r"3 problems: val: 0 frames with labels, at least 1 needed; valannot/000.png"
    ):
        camvid.read(tmp_path, partial=True)


def test_the_published_counts_and_size_are_demanded(tmp_path):
    camvid_folder(tmp_path, frames=1)
    message = r"9 problems: train: 1 frames with labels, not 367; train/000.png: 12 x 16 pixels .*, not 360 x 480;"
    with pytest.raises(InvalidInput, match=message):
        camvid.read(tmp_path)
    assert camvid.FRAMES == {"train": 367, "val": 101, "test": 233}


def test_a_missing_folder_says_how_to_fetch_it(tmp_path):
    with pytest.raises(InvalidInput, match="holds no CamVid") as raised:
        camvid.load(tmp_path)
    assert str(raised.value).endswith(f"python scripts/fetch_data.py camvid --data-dir {tmp_path}")


def test_class_weights_by_hand():
    # Class 0 fills 6 of 8 pixels, class 1 4 of the 4 of its image and 2 one of 4; one pixel is void.
    labels = torch.tensor([[[0, 0], [0, 2]], [[0, 0], [0, 11]], [[1, 1], [1, 1]]], dtype=torch.uint8)
    frequency = [6 / 8, 4 / 4, 1 / 4]
    expected = torch.tensor([0.75 / f for f in frequency])
    torch.testing.assert_close(camvid.median_frequency_weights(labels, classes=3), expected)
    with pytest.raises(InvalidInput, match=r"no image shows the classes \[3\]"):
        camvid.median_frequency_weights(labels, classes=4)


def test_class_weights_equal_the_naive_twin():
    rng = np.random.default_rng(0)
    labels = np.minimum(rng.geometric(0.3, (5, 8, 9)), 12).astype(np.uint8) - 1
    frequency = []
    for label in range(5):
        with_label = [image for image in labels if (image == label).any()]
        frequency.append(sum((image == label).sum() for image in with_label) / sum(image.size for image in with_label))
    weights = camvid.median_frequency_weights(torch.from_numpy(labels), classes=5)
    np.testing.assert_allclose(weights, np.median(frequency) / np.array(frequency), rtol=1e-6)
