"""Signals, single units, bands with a mean and std of their own, and networks of any make, from the terminal."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import erf
from erf.command.cli import main
from erf.command.network_source import Source, make_network
from erf.data import Pictures

FILE = """
import torch
from torch import nn

def signal():
    return nn.Sequential(nn.Conv1d(1, 2, 5, padding=2), nn.ReLU(), nn.Conv1d(2, 2, 5, stride=2))

def one_signal():
    return nn.Conv1d(1, 2, 5)

def single():
    return nn.Conv2d(3, 8, 3)

def bands(channels=6):
    return nn.Sequential(nn.Conv2d(channels, 8, 3, padding=1), nn.Conv2d(8, 8, 3, stride=2))

def four():
    return bands(4)

class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, 3, 3))

    def forward(self, x):
        return nn.functional.conv2d(x, self.weight)

def scores():
    return Scores()

class Scores(nn.Module):
    def forward(self, x):
        tokens = x.flatten(2)
        return tokens.mT @ tokens

def flat():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 5))
"""
MEAN, STD = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0), (1.0, 2.0, 1.0, 2.0, 1.0, 2.0)
TYPED = ("--mean", "1,2,3,4,5,6", "--std", "1,2,1,2,1,2")
SHORT = ("--samples", "2")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Two files of each kind of picture."""
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(FILE)
    drawn = np.random.default_rng(0).integers(0, 256, (2, 20, 24, 6), dtype=np.uint8)
    for kind in ("npy", "tif", "png"):
        Path(kind).mkdir()
    for number, pixels in enumerate(drawn):
        np.save(f"npy/{number}.npy", pixels.transpose(2, 0, 1).astype(np.float32))
        Image.fromarray(pixels[..., :4], "RGBA").save(f"tif/{number}.tif")
        Image.fromarray(pixels[..., :3], "RGB").save(f"png/{number}.png")


def layers_of(capsys, factory, *options):
    assert main([f"net.py:{factory}", *options, *SHORT, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["layers"]


def refusal_of(capsys, factory, *options):
    assert main([f"net.py:{factory}", *options, *SHORT]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


def sizes(measurement):
    return [(layer.name, list(layer.field.size), layer.erf_size) for layer in measurement.layers]


def printed_sizes(layers):
    return [(layer["name"], layer["trf_size"], layer["erf_size"]) for layer in layers]


def test_a_signal_is_measured_at_several_units(capsys):
    layers = layers_of(capsys, "signal", "--input", "64,", "--unit", "5", "--unit", "0", "--unit", "29")
    network = make_network(Source.file, "net.py:signal")
    noise = erf.data.NoiseImages("normal", (1, 64), 2, batch_size=1)
    assert printed_sizes(layers) == sizes(erf.measure(network, noise, ["1", "2"], unit=[(5,), (0,), (29,)]))


def test_a_unit_that_a_signal_does_not_have_is_refused(capsys):
    said = refusal_of(capsys, "signal", "--input", "64,", "--unit", "5,5")
    assert "outside the grid of layer '1', which is (64,)" in said


def test_files_of_a_signal_are_written(capsys):
    names = ("card.html", "fields.csv", "maps.npz")
    layers_of(capsys, "signal", "--input", "64,", *(word for name in names for word in ("--save", name)))
    assert np.load("maps.npz")["2"].shape == (64,)
    assert all(Path(name).stat().st_size for name in names)


def test_a_tile_of_a_signal_has_one_side(capsys):
    assert main(["halo", "net.py:signal", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["smallest_input"] == [10]


def test_a_square_for_a_signal_is_told_apart_from_one_axis(capsys):
    assert main(["fields", "net.py:signal", "--input", "64"]) == 1
    assert "its first convolution is nn.Conv1d; 2 sides are given" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("factory", "size", "trf"),
    [
        ("one_signal", "64,", [5]),
        ("single", "16", [3, 3]),
        ("Functional", "16", [3, 3]),
        ("flat", "16", ["inf", "inf"]),
        ("scores", "6", [6, 6]),
    ],
)
def test_a_network_without_layers_that_have_rows_is_measured_at_its_output(factory, size, trf, capsys):
    options = ("--channels", "3") if factory == "scores" else ()
    (layer,) = layers_of(capsys, factory, "--input", size, *options)
    assert (layer["name"], layer["trf_size"]) == ("output", trf)


def test_bands_of_arrays_are_normalized_as_typed(capsys):
    layers = layers_of(capsys, "bands", "--input", "16", "--images", "npy", *TYPED)
    pictures = Pictures("npy", (16, 16), 6, mean=MEAN, std=STD, batch_size=1)
    assert printed_sizes(layers) == sizes(erf.measure(make_network(Source.file, "net.py:bands"), pictures, ["0", "1"]))


def test_four_bands_of_a_tiff_are_measured(capsys):
    layers = layers_of(capsys, "four", "--input", "16", "--images", "tif", "--mean", "0,0,0,0", "--std", "255,255,1,1")
    assert [layer["trf_size"] for layer in layers] == [[3, 3], [5, 5]]


def test_colours_have_another_mean_and_std_where_they_are_typed(monkeypatch, capsys):
    given = []
    monkeypatch.setattr(
        "erf.command.measuring.Pictures", lambda *_, **named: given.append(named) or Pictures(*_, **named)
    )
    layers_of(capsys, "single", "--input", "16", "--images", "png", "--mean=-0.5,0,1e-1", "--std", "1,2,.5")
    assert (given[0]["mean"], given[0]["std"]) == ((-0.5, 0.0, 0.1), (1.0, 2.0, 0.5))


BAD = {
    "no mean": ("bands", "npy", (), "others need --mean ... and --std ..."),
    "three of six": ("bands", "npy", ("--mean", "1,2,3", *TYPED[2:]), "allowed are 6 finite numbers, one a channel"),
    "std 0": ("single", "png", ("--std", "0,1,1"), "allowed are numbers above 0"),
    "NaN": ("single", "png", ("--mean", "nan,0,0"), "argument --mean: 'nan,0,0'"),
    "other digits": ("single", "png", ("--mean", "٣,0,0"), "argument --mean: "),
}


@pytest.mark.parametrize(("factory", "images", "options", "said"), BAD.values(), ids=BAD)
def test_other_pictures_and_numbers_are_one_line(factory, images, options, said, capsys):
    assert said in refusal_of(capsys, factory, "--input", "16", "--images", images, *options)


def test_a_mean_without_pictures_is_refused(capsys):
    assert "give --images, too" in refusal_of(capsys, "bands", "--input", "16", *TYPED)


def test_dict_batches_are_measured_with_a_call():
    torch.manual_seed(0)
    network, images = torch.nn.Conv2d(3, 4, 3), torch.randn(2, 3, 12, 12)

    class Batches(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, batch):
            return {"features": self.network(batch["image"]), "size": batch["image"].shape}

    measured = erf.measure(Batches(), images, call=lambda network, x: network({"image": x})["features"])
    np.testing.assert_array_equal(measured["network"].map.values, erf.measure(network, images)["output"].map.values)
