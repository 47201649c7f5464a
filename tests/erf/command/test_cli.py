"""The command erf prints and writes what the library measures, and refuses bad input in one line."""

import json
from pathlib import Path

import numpy as np
import pytest

import erf
from erf.command.cli import main
from erf.command.network_source import Source, make_network
from tests.erf.command.answers import SMALL, answer


def test_it_prints_what_measure_measures(network, capsys):
    layers = json.loads(answer(capsys, network, *SMALL, "--layers", "0,3", "--json"))["layers"]
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
    expected = erf.halo(make_network(Source.file, network), "2")
    assert {name: tuple(values) for name, values in needed.items()} == vars(expected)


def test_unit_aggregation_and_mode_are_those_of_the_library(network, capsys):
    options = ("--unit", "2,3", "--unit", "4,4", "--aggregation", "1", "--mode", "as_is", "--layers", "3")
    printed = json.loads(answer(capsys, network, *SMALL, *options, "--json"))
    expected = erf.measure(
        make_network(Source.file, network), input_size=24, layers="3", unit=[(2, 3), (4, 4)], aggregation=1
    )
    assert printed["setting"]["mode"] == "as_is"
    assert [(layer["name"], layer["erf_size"]) for layer in printed["layers"]] == [
        (name, expected[name].erf_size) for name in ("3@2,3", "3@4,4")
    ]
    one = json.loads(answer(capsys, network, *SMALL, *options[:2], "--layers", "3", "--json"))["layers"]
    assert [layer["name"] for layer in one] == ["3"]


def test_bfloat16_is_that_of_the_library_and_the_printed_command_asks_for_it(network, capsys):
    options = (network, *SMALL, "--precision", "bfloat16", "--layers", "3")
    printed = json.loads(answer(capsys, *options, "--json"))
    expected = erf.measure(make_network(Source.file, network), input_size=24, layers="3", precision="bfloat16")
    (layer,) = printed["layers"]
    assert (layer["erf_size"], layer["notes"]) == (expected["3"].erf_size, list(expected["3"].notes))
    assert sum("run in bfloat16" in note for note in layer["notes"]) == 1
    assert printed["setting"]["precision"] == "bfloat16"
    assert "--precision bfloat16" in printed["setting"]["command"]
    assert "precision bfloat16" in answer(capsys, *options)
    assert json.loads(answer(capsys, *options[:-4], "--layers", "3", "--json"))["layers"] != printed["layers"]


def test_in_train_mode_batch_norm_joins_all_pixels(network, capsys):
    rows = json.loads(answer(capsys, "fields", "net.py:normed", *SMALL, "--mode", "as_is", "--json"))["layers"]
    assert rows[-1]["size"] == ["inf", "inf"]
    rows = json.loads(answer(capsys, "fields", "net.py:normed", *SMALL, "--json"))["layers"]
    assert rows[-1]["size"] == [3, 3]


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
    "no such factory": (["net.py:mak"], "it has: make, wide, wider, narrow, line, deep, normed, flat"),
    "misspelt layer": (["net.py:make", *SMALL, "--layers", "4"], "nearest names"),
    "no pictures": (["net.py:make", *SMALL, "--images", "empty"], "there is no picture below empty"),
    "no folder of pictures": (["net.py:make", *SMALL, "--images", "none"], "none"),
    "unknown ending": (["net.py:make", *SMALL, "--save", "a.txt"], ".csv, .npz"),
    "no folder to write to": (["net.py:make", *SMALL, "--save", "none/a.csv"], "there is no folder none"),
    "no size": (["net.py:make", "--input", "large"], "whole numbers of pixels"),
    "size 0": (["net.py:make", "--input", "0"], "whole numbers of pixels from 1"),
    "no images": (["net.py:make", *SMALL, "--samples", "0"], "--samples: '0': allowed are whole numbers from 1"),
    "no channels": (["net.py:make", *SMALL, "--channels", "0"], "--channels: '0': allowed are whole numbers from 1"),
    "no factory": (["net.py", *SMALL], "network 'net.py': allowed is net.py:FACTORY"),
    "a layer twice": (["net.py:make", *SMALL, "--layers", "0,0"], "--layers: '0,0': allowed is each layer once"),
    "other digits": (["fields", "net.py:make", "--input", "٣"], "--input: '٣': allowed are"),
    "one network to compare": (["compare", "net.py:make"], "B"),
    "misspelt option": (["net.py:make", "--inputs", "3"], "--inputs 3 is not allowed (nearest: --input)"),
    "option of other commands": (["halo", "net.py:make", *SMALL], "--input 24 is not allowed; erf halo --help shows"),
    "misspelt command": (["field", "net.py:make"], "(nearest: fields)"),
    "odd unit": (["net.py:make", *SMALL, "--unit", "a"], "an index along each axis"),
    "unit outside": (["net.py:make", *SMALL, "--unit", "99,0"], "99"),
    "odd aggregation": (["net.py:make", *SMALL, "--aggregation", "mean"], "allowed: random_sign, sum"),
    "odd mode": (["net.py:make", *SMALL, "--mode", "train"], "argument --mode: invalid choice: 'train' (choose from"),
    "odd precision": (
        ["net.py:make", *SMALL, "--precision", "float8"],
        "--precision 'float8' is unknown; allowed: as_is",
    ),
    "odd column": (["compare", "net.py:make", "net.py:wide", "--sort", "size"], "erf_size"),
    "a folder as card": (["net.py:make", *SMALL, "--save", "folder.html"], "folder.html is there already"),
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


def test_one_number_is_a_square_and_a_comma_makes_it_one_axis(network, capsys):
    Path("signal.py").write_text("from torch import nn\n\n\ndef make():\n    return nn.Conv1d(1, 2, 5)\n")
    layers = json.loads(answer(capsys, "fields", "signal.py:make", "--input", "64,", "--json"))["layers"]
    assert layers[-1]["size"] == [5]
    assert main(["fields", network, "--input", ","]) == 1
    assert "one axis" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["--save", ""], "argument --save: it is empty"),
        (["--save", "."], "--save . cannot be saved to"),
        (["--save", "folder.html"], "--save folder.html is there already"),
        (["--save", 300 * "x" + ".html"], "argument --save: 'xxx"),
        (["--weights", 300 * "x" + ".pt"], "--weights xxx"),
        (["--save", "no/card.html"], "--save no/card.html: there is no folder no"),
        (["--images", "no"], "--images no: "),
        (["--images", "."], "--images .: "),
        (["--weights", "no.pt"], "--weights no.pt: there is no such file"),
        (["--weights", "."], "--weights .: allowed are none"),
        (["--statistic", "mean"], "--statistic 'mean' is unknown"),
        (["--device", "abacus"], "--device 'abacus' is unknown"),
        (["--input", "1,2,3,4"], "argument --input: '1,2,3,4'"),
        (["--input", 40 * "1"], "argument --input: '1111"),
        (["--input", "1", "--layers", "9"], "layer '9' is not in"),
    ],
)
def test_a_bad_value_is_refused_by_the_options_name(words, option, network, capsys):
    assert main([network, "--input", "16", "--samples", "2", *words]) == 1
    assert capsys.readouterr().err.startswith(f"erf: {option}")
