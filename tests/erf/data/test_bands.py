"""Pictures of many bands are read from ``.npy`` and TIFF files and prepared as those of three are."""

import numpy as np
import pytest
import torch
from PIL import Image

from erf import InvalidInput
from erf.data import Pictures

BANDS = 6
SETTINGS = {"input_size": (28, 28), "channels": BANDS, "mean": (0.5,) * BANDS, "std": (2.0,) * BANDS}


def array(rows=40, columns=56, kind=np.float32):
    drawn = np.random.default_rng(0).uniform(0, 100, (BANDS, rows, columns))
    return drawn.astype(kind)


def test_each_band_is_resized_cropped_and_normalized(tmp_path):
    bands = array()
    np.save(tmp_path / "a.npy", bands)
    (batch,) = Pictures(tmp_path, **SETTINGS)
    assert batch.shape == (1, BANDS, 28, 28)
    assert batch.dtype == torch.float32
    for band, prepared in zip(bands, batch[0], strict=True):
        resized = np.asarray(Image.fromarray(band).resize((44, 32), Image.Resampling.BILINEAR))
        np.testing.assert_allclose(prepared.numpy(), (resized[2:30, 8:36] - 0.5) / 2, rtol=1e-5, atol=1e-5)


def test_whole_numbers_keep_their_units(tmp_path):
    np.save(tmp_path / "a.npy", np.full((BANDS, 30, 30), 4000, np.uint16))
    (batch,) = Pictures(tmp_path, **SETTINGS)
    assert torch.equal(batch, torch.full_like(batch, (4000 - 0.5) / 2))


class Code:
    def __reduce__(self):
        return exit, ()


BAD = {
    "other bands": (
        array()[:4],
        r"it holds float32 \[4, 40, 56\], allowed are finite real numbers \[6, rows, columns\]",
    ),
    "no bands": (array()[0], r"float32 \[40, 56\]"),
    "complex": (array(kind=np.complex64), "complex64"),
    "NaN": (array() * np.nan, "allowed are finite"),
    "long": (array(2, 300), "100 times as long"),
    "code": (np.array([Code()], dtype=object), "Python objects"),
}


@pytest.mark.parametrize("name", BAD)
def test_other_arrays_are_one_line(tmp_path, name):
    values, message = BAD[name]
    np.save(tmp_path / "a.npy", values, allow_pickle=True)
    with pytest.raises(InvalidInput, match=message) as error:
        Pictures(tmp_path, **SETTINGS)
    assert "a.npy cannot be read: " in str(error.value)
    assert "\n" not in str(error.value)


def test_a_damaged_file_and_a_tiff_are_one_line(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InvalidInput, match=r"a\.npy cannot be read: "):
        Pictures(tmp_path, **SETTINGS)
    (tmp_path / "a.npy").rename(tmp_path / "a.tif")
    with pytest.raises(
        InvalidInput, match=r"a\.tif cannot be read: .*; save its 6 bands as \.npy, \[bands, rows, columns\]$"
    ):
        Pictures(tmp_path, **SETTINGS)


@pytest.mark.parametrize("missing", ["mean", "std"])
def test_mean_and_std_are_needed(tmp_path, missing):
    np.save(tmp_path / "a.npy", array())
    with pytest.raises(
        InvalidInput,
        match=r"channels=6: allowed are 3 \(colour\) and 1 \(grey\); others need mean=\.\.\. and std=\.\.\.",
    ):
        Pictures(tmp_path, **SETTINGS | {missing: None})


FOUR = {"input_size": (28, 28), "channels": 4, "mean": (1.0,) * 4, "std": (2.0,) * 4}


@pytest.mark.parametrize("mode", ["RGBA", "CMYK"])
def test_bands_of_a_tiff_are_those_of_the_same_array(tmp_path, mode):
    stored = np.random.default_rng(0).integers(0, 256, (40, 56, 4), dtype=np.uint8)
    (tmp_path / "tif").mkdir()
    (tmp_path / "npy").mkdir()
    Image.frombytes(mode, (56, 40), stored.tobytes()).save(tmp_path / "tif" / "a.tif")
    np.save(tmp_path / "npy" / "a.npy", stored.transpose(2, 0, 1))
    (of_tiff,), (of_array,) = Pictures(tmp_path / "tif", **FOUR), Pictures(tmp_path / "npy", **FOUR)
    assert torch.equal(of_tiff, of_array)


def test_grey_with_transparency_has_two_bands(tmp_path):
    Image.new("LA", (30, 30), (7, 9)).save(tmp_path / "a.tiff")
    settings = {"input_size": (28, 28), "channels": 2, "mean": (0.0,) * 2, "std": (1.0,) * 2}
    (batch,) = Pictures(tmp_path, **settings)
    assert batch[0, :, 5, 5].tolist() == [7, 9]


def test_a_tiff_of_other_bands_is_one_line(tmp_path):
    Image.new("RGBA", (40, 40)).save(tmp_path / "a.tif")
    with pytest.raises(InvalidInput, match=r"a\.tif cannot be read: Pillow finds 4 bands \(mode RGBA\); save its 6"):
        Pictures(tmp_path, **SETTINGS)
