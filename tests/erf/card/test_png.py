"""Our PNG files, read by Pillow."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from erf.card import png


def read(uri: str) -> Image.Image:
    kind, _, data = uri.partition(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_map_has_the_colours_of_magma_within_what_eyes_tell_apart():
    matplotlib = pytest.importorskip("matplotlib")
    shares = np.linspace(0, 1, 15 * 17).reshape(15, 17)
    colours = np.asarray(read(png.of_shares(shares)).convert("RGB"), float)
    expected = matplotlib.colormaps["magma"](shares)[..., :3] * 255
    assert colours.shape == (15, 17, 3)
    assert np.abs(colours - expected).max() < 4


def test_shares_beyond_0_and_1_are_those():
    assert png.of_shares(np.array([[-0.1, 1.2]])) == png.of_shares(np.array([[0.0, 1.0]]))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_an_image_is_read_back_as_it_was(channels):
    image = np.random.default_rng(0).integers(0, 256, (channels, 6, 9)) / 255
    pixels = np.asarray(read(png.of_image(image)), float)
    expected = np.moveaxis(image, 0, -1) if channels == 3 else image.mean(0)
    np.testing.assert_allclose(pixels / 255, expected, atol=0.5 / 255 + 1e-9)
