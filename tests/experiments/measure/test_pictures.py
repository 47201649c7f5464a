"""A measurement on the pictures of a folder."""

import numpy as np
import pytest

from erf import InvalidInput, effective_receptive_field, erf_size
from erf.command.network_source import Source, make_network
from erf.data.pictures import Pictures
from experiments.harness.experiment import load
from tests.experiments.measure.toy_measurements import FILE, LAYERS, measured, printed


def test_pictures_of_a_folder_are_measured(pictures):
    result = measured(images=str(pictures), samples=100)
    network = make_network(Source.file, f"{FILE}:make")
    maps = effective_receptive_field(network, Pictures(pictures, (24, 24)), layer=LAYERS)
    assert [layer.samples for layer in result.layers] == [6, 6]
    for layer in result.layers:
        assert layer.erf_size == erf_size(maps[layer.name])
    assert [layer.samples for layer in measured(images=str(pictures), samples=4).layers] == [4, 4]
    assert "6 x pictures" in load("measure").draw(result).get_label()


def test_pictures_are_normalized_by_the_mean_and_std_given(pictures):
    result = measured(images=str(pictures), mean=[0.5, 0.4, 0.3], std=[0.1, 0.5, 2.0])
    network = make_network(Source.file, f"{FILE}:make")
    images = Pictures(pictures, (24, 24), mean=(0.5, 0.4, 0.3), std=(0.1, 0.5, 2.0))
    maps = effective_receptive_field(network, images, layer=LAYERS)
    plain = measured(images=str(pictures))
    for layer in result.layers:
        drawn = result.arrays[f"map/{layer.name}"]
        np.testing.assert_allclose(drawn, maps[layer.name].values, rtol=1e-4, atol=1e-6)
        assert not np.allclose(drawn, plain.arrays[f"map/{layer.name}"], rtol=1e-3)


def test_a_truncated_picture_is_an_error_or_is_left_out_and_named(pictures):
    damaged = pictures / "3.png"
    damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.raises(InvalidInput, match=r"3\.png cannot be read"):
        measured(images=str(pictures))
    result = measured(images=str(pictures), unreadable="skip")
    assert result.unreadable == (str(damaged),)
    assert [layer.samples for layer in result.layers] == [5, 5]
    assert f"left out, because they cannot be read: {damaged}" in printed(result)
