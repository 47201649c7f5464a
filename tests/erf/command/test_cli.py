import json
from pathlib import Path

import numpy as np
import pytest

import erf
from erf.command.cli import PATIENCE, _with_progress, main

FILE = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.Conv2d(8, 8, 3))

def flat():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 24 * 24, 5))
"""
SMALL = ("--input", "24")


@pytest.fixture
def network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(FILE)
    (tmp_path / "empty").mkdir()
    return "net.py:make"


def answer(capsys, *arguments):
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_it_prints_what_measure_measures(network, capsys):
    layers = json.loads(answer(capsys, network, *SMALL, "--layers", "0,3", "--json"))["layers"]
    from erf.command.network_source import Source, make_network

    measured = erf.measure(make_network(Source.file, network), layers=["0", "3"], input_size=24)
    assert [layer["name"] for layer in layers] == ["0", "3"]
    for layer in layers:
        assert layer["erf_size"] == measured[layer["name"]].erf_size
        assert tuple(layer["interval"]) == measured[layer["name"]].interval
        assert tuple(layer["trf_size"]) == measured[layer["name"]].field.size


def test_the_table_fits_80_columns(network, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = answer(capsys, network, *SMALL).splitlines()
    assert lines[0].startswith("net.py:make: 9 x 9 pixels can reach a unit of 3.")
    assert "On 10 images of normal noise" in "\n".join(lines)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("command", [(), ("fields",), ("halo",), ("compare",)])
def test_help_fits_80_columns(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("usage: erf")
    assert max(map(len, lines)) <= 80


def test_fields_has_all_layers_and_the_first_beyond_the_input(network, capsys):
    small = json.loads(answer(capsys, "fields", network, "--input", "8", "--json"))
    assert [layer["size"] for layer in small["layers"]] == [[3, 3], [3, 3], [5, 5], [9, 9], [9, 9]]
    assert small["first_larger_than_input"] == "3"
    assert "3 is the first that exceeds the input, 8 x 8 pixels" in answer(capsys, "fields", network, "--input", "8")
    assert "no layer's field exceeds the input" in answer(capsys, "fields", network, *SMALL)


def test_infinite_fields_are_text_in_json(network, capsys):
    text = answer(capsys, "fields", "net.py:flat", *SMALL, "--json")
    assert json.loads(text, parse_constant=pytest.fail)["layers"][-1]["size"] == ["inf", "inf"]


def test_halo_is_that_of_the_library(network, capsys):
    needed = json.loads(answer(capsys, "halo", network, "--layer", "2", "--json"))
    from erf.command.network_source import Source, make_network

    expected = erf.halo(make_network(Source.file, network), "2")
    assert {name: tuple(values) for name, values in needed.items()} == vars(expected)


def test_compare_gives_the_interval_of_the_difference(network, capsys):
    rows = json.loads(answer(capsys, "compare", network, network, *SMALL, "--json"))["differences"]
    assert [(row["layer_a"], row["layer_b"], row["difference"]) for row in rows] == [("1", "1", 0), ("3", "3", 0)]
    low, high = rows[-1]["interval"]
    assert low == high == 0  # it has seen the same images twice


def test_files_are_written_and_not_replaced_unasked(network, capsys, tmp_path):
    assert "written: maps.npz" in answer(capsys, network, *SMALL, "--save", "maps.npz")
    with np.load("maps.npz") as maps:
        assert {name: maps[name].shape for name in maps} == {"1": (24, 24), "3": (24, 24)}
    before = (tmp_path / "maps.npz").read_bytes()
    assert main([network, *SMALL, "--save", "maps.npz"]) == 1
    assert (tmp_path / "maps.npz").read_bytes() == before
    assert main([network, *SMALL, "--save", "maps.npz", "--overwrite"]) == 0


def test_a_card_says_the_command_and_noise_is_no_picture_on_it(network, capsys):
    said = answer(capsys, network, *SMALL, "--save", "card.html", "--save", "fields.csv")
    assert "written: card.html" in said
    assert "written: fields.csv" in said
    page = Path("card.html").read_text()
    assert f"erf {network} {' '.join(SMALL)} --save card.html --save fields.csv" in page
    assert "one of your images" not in page


BAD = {
    "no network": ([], "NETWORK"),
    "misspelt model": (["resnet51"], "nearest names: resnet50"),
    "unknown source": (["tim:resnet18"], "timm:MODEL"),
    "no such file": (["no.py:make"], "there is no file no.py"),
    "no such factory": (["net.py:mak"], "it has: make, flat"),
    "no spatial layer": (["net.py:flat", *SMALL], "no layer has rows and columns"),
    "misspelt layer": (["net.py:make", *SMALL, "--layers", "4"], "nearest names"),
    "no pictures": (["net.py:make", *SMALL, "--images", "empty"], "there is no picture below empty"),
    "no folder of pictures": (["net.py:make", *SMALL, "--images", "none"], "none"),
    "unknown ending": (["net.py:make", *SMALL, "--save", "a.txt"], ".csv, .npz"),
    "no folder to write to": (["net.py:make", *SMALL, "--save", "none/a.csv"], "there is no folder none"),
    "no size": (["net.py:make", "--input", "large"], "whole numbers of pixels"),
    "size 0": (["net.py:make", "--input", "0"], "whole numbers of pixels from 1"),
    "no images": (["net.py:make", *SMALL, "--samples", "0"], "samples=0"),
    "one network to compare": (["compare", "net.py:make"], "B"),
    "misspelt option": (["net.py:make", "--inputs", "3"], "unrecognized arguments: --inputs"),
}


@pytest.mark.parametrize(("arguments", "said"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_writes_nothing(arguments, said, network, capsys, tmp_path):
    before = {path.name for path in tmp_path.iterdir() if path.name != "__pycache__"}
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("erf: ")
    assert err.count("\n") == 1
    assert said in err
    assert {path.name for path in tmp_path.iterdir() if path.name != "__pycache__"} == before


@pytest.mark.parametrize("terminal", [True, False])
def test_only_a_terminal_that_waits_long_is_told(terminal, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    seconds = iter([0, 1, PATIENCE + 1])
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    assert list(_with_progress(["a", "b"])) == ["a", "b"]
    assert capsys.readouterr().err == ("\r1 groups of images measured\r\x1b[K" if terminal else "")


def test_one_number_is_a_square_and_a_comma_makes_it_one_axis(network, capsys):
    Path("signal.py").write_text("from torch import nn\n\n\ndef make():\n    return nn.Conv1d(1, 2, 5)\n")
    layers = json.loads(answer(capsys, "fields", "signal.py:make", "--input", "64,", "--json"))["layers"]
    assert layers[-1]["size"] == [5]
    assert main(["fields", network, "--input", ","]) == 1
    assert "one axis" in capsys.readouterr().err
