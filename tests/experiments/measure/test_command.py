"""The command that measures a user's network: what it refuses in one line, and what it measures anew."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from erf import effective_receptive_field
from erf.command.network_source import Source, make_network
from erf.data.noise import NoiseImages
from experiments.harness.cli import USERS_ERRORS, config_of, main, one_line
from experiments.harness.record import read_record
from experiments.measure import experiment as measure
from tests.experiments import toy_networks
from tests.experiments.measure.toy_measurements import FILE, MEASURE, OWN, own


def test_a_network_of_one_axis_is_measured_by_the_command(elsewhere, capsys):
    command = [*OWN, f"network={FILE}:signal", "input_size=[2048]", "channels=1", "layers=[0,2,3]"]
    assert main(command) == 0
    assert "inf (local 13)" in capsys.readouterr().out
    (folder,) = Path("results/runs/measure").iterdir()
    result = read_record(folder, measure.Result)
    assert [layer.trf_size for layer in result.layers] == [(5,), (13,), (None,)]
    network = make_network(Source.file, f"{FILE}:signal")
    images = torch.cat(list(NoiseImages("normal", (1, 2048), 2)))
    for name, imap in effective_receptive_field(network, images, layer=["0", "2", "3"]).items():
        np.testing.assert_allclose(result.arrays[f"map/{name}"], imap.values, rtol=1e-4, atol=1e-6)
    assert (folder / "measure.png").exists()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Run in an empty folder; main changes the process's arguments and environment, which end with the test."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["run.py"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    return folder


def in_words(value):
    return " ".join(value).replace(FILE, "toy.py") if isinstance(value, list) else None


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([MEASURE, "network=resnet5O"], ["resnet5O", "nearest names", "resnet50"]),
        ([MEASURE, "layers=[layer9]"], ["'layer9'", "nearest names", "layer4"]),
        ([MEASURE, "unit=[500,3]"], ["(500, 3)", "'layer1'", "(56, 56)"]),
        pytest.param([MEASURE, "unit=[1]"], ["unit (1,)", "(56, 56)"], marks=pytest.mark.slow),
        pytest.param([MEASURE, "unit=[[1,1],[500,3]]"], ["(500, 3)", "'layer1'", "(56, 56)"], marks=pytest.mark.slow),
        pytest.param(
            [MEASURE, "input_size=[2,64,64]"], ["does not run on an input [N, 3, 2, 64, 64]"], marks=pytest.mark.slow
        ),
        ([MEASURE, "channels=1"], ["does not run on an input [N, 1, 224, 224]"]),
        ([MEASURE, "images=nowhere"], ["images=nowhere", "noise"]),
        ([MEASURE, "images=."], ["no picture", ".png"]),
        ([MEASURE, "weights=nowhere.pt"], ["weights=nowhere.pt", "no such file"]),
        pytest.param([MEASURE, "weights=weights.bin"], ["weights=weights.bin", ".safetensors"], marks=pytest.mark.slow),
        ([MEASURE, "aggregation=64", "input_size=32"], ["aggregation=64", "0 to 63"]),
        ([MEASURE, "device=cuda:99"], ["device", "cpu"]),
        ([MEASURE, f"images={300 * 'x'}"], ["images=", "there is no such folder"]),
        (own("nothing"), ["no function or class of this name", "make"]),
        pytest.param(own("make", "[70]"), ["'70'", "nearest names"], marks=pytest.mark.slow),
        (own("TwoOutputs", "[]"), ["2 outputs", "name a layer"]),
        ([*OWN, "network=nowhere.py:make"], ["no file nowhere.py"]),
        ([MEASURE, "samples=0"], ["samples=0"]),
        ([MEASURE, "mode=train"], ["mode", "as_is"]),
    ],
    ids=in_words,
)
def test_what_cannot_be_measured_is_one_line_and_leaves_no_folder(arguments, parts, elsewhere, capsys):
    assert main(arguments) == 1
    out, error = capsys.readouterr()
    assert out == ""
    (line,) = error.splitlines()
    assert line.startswith("error: ")
    for part in parts:
        assert part in line
    assert [path for path in elsewhere.rglob("*") if path.name not in ("results", "runs", "measure")] == []


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([MEASURE, "layers=[layer1,layer1]"], ["layers=[layer1,layer1]", "twice"]),
        ([MEASURE, "layers=layer1"], ["layers"]),
        ([MEASURE, "unit=[[1,1],3]"], ["unit=[[1, 1], 3]", "[[3,4],[5,6]]"]),
        pytest.param([MEASURE, "unit=[[1,1],[]]"], ["unit=[[1, 1], []]", "[[3,4],[5,6]]"], marks=pytest.mark.slow),
        ([MEASURE, "unit=[[1,1],[1,1]]"], ["twice"]),
        ([MEASURE, "unit=middle"], ["unit=middle", "[row,column]"]),
        ([MEASURE, "unit=[1.5,2]"], ["unit=[1.5, 2]", "[row,column]"]),
        ([MEASURE, "mean=[0.5,0.5,0.5]"], ["mean=[0.5, 0.5, 0.5]", "images=noise"]),
        ([MEASURE, "images=.", "mean=[0.5]"], ["mean=[0.5]", "3 finite numbers", "one a channel"]),
        pytest.param(
            [MEASURE, "images=.", "mean=[0.5,nan,0]"], ["mean=[0.5, nan, 0.0]", "finite"], marks=pytest.mark.slow
        ),
        ([MEASURE, "images=.", "std=[1,1,0]"], ["std=[1.0, 1.0, 0.0]", "above 0"]),
        pytest.param([MEASURE, "images=.", "std=[1,1,inf]"], ["std=[1.0, 1.0, inf]", "finite"], marks=pytest.mark.slow),
        ([MEASURE, "images=.", "mean=half"], ["mean"]),
        ([MEASURE, "input_size=0"], ["input_size=0", "allowed"]),
        ([MEASURE, "input_size=2.5"], ["input_size=2.5", "allowed"]),
        pytest.param([MEASURE, "input_size=null"], ["input_size=None", "allowed"], marks=pytest.mark.slow),
        pytest.param([MEASURE, "input_size=true"], ["input_size=True", "allowed"], marks=pytest.mark.slow),
        ([MEASURE, "input_size=[224,wide]"], ["input_size", "wide", "allowed"]),
        ([MEASURE, "input_size=[1,2,3,4]"], ["input_size", "allowed"]),
        ([MEASURE, "input_size=[2,64,64]", "images=."], ["pictures", "rows and columns"]),
        ([MEASURE, "noise=pink"], ["noise", "pink", "normal"]),
        ([MEASURE, "unreadable=maybe"], ["unreadable", "skip"]),
        ([MEASURE, "weights=null"], ["weights"]),
        ([MEASURE, "source=hub"], ["source", "hub", "torchvision"]),
        ([MEASURE, "batch_size=0"], ["batch_size=0"]),
        ([MEASURE, "statistic=signed_mean"], ["signed_mean", "mean_abs"]),
        ([MEASURE, "aggregation=mean"], ["aggregation", "random_sign"]),
        ([MEASURE, "compatibility=captum"], ["compatibility", "captum", "replknet"]),
        ([MEASURE, "compatibility=openerf", "unit=[1,1]"], ["compatibility=openerf", "unit=[]"]),
        ([MEASURE, "compatibility=openerf", "input_size=[2,64,64]"], ["compatibility=openerf", "rows and columns"]),
        ([MEASURE, "precision=float8"], ["precision", "bfloat16"]),
    ],
    ids=in_words,
)
def test_what_no_config_has_is_one_line(arguments, parts):
    """What becomes of such an error in the command is tested above."""
    with pytest.raises(USERS_ERRORS) as refused:
        config_of(arguments)
    line = one_line(refused.value)
    assert "\n" not in line
    for part in parts:
        assert part in line


def folders():
    return sorted(path.name for path in Path("results/runs/measure").iterdir())


@pytest.mark.usefixtures("empty_figures")
def test_a_changed_file_is_measured_anew_and_an_equal_one_is_not(elsewhere, capsys):
    path = elsewhere / "net.py"
    path.write_text(Path(FILE).read_text())
    command = [*OWN, "network=net.py:make", "layers=[7]"]
    assert main(command) == 0
    path.write_text(path.read_text())
    assert main(command) == 0
    assert "already measured" in capsys.readouterr().out
    assert len(folders()) == 1
    path.write_text(path.read_text().replace("padding=2, dilation=2", "padding=1"))
    assert main(command) == 0
    assert len(folders()) == 2
    path.unlink()
    assert main(command) == 1
    assert "there is no file net.py" in capsys.readouterr().err


@pytest.mark.usefixtures("empty_figures")
def test_changed_weights_and_pictures_are_measured_anew(pictures, elsewhere):
    command = [*own("make", "[7]"), f"images={pictures}", "weights=w.pt"]
    torch.save(toy_networks.make().state_dict(), "w.pt")
    assert main(command) == main(command) == 0
    assert len(folders()) == 1
    torch.save(toy_networks.make().state_dict(), "w.pt")
    assert main(command) == 0
    assert len(folders()) == 2
    Image.fromarray(np.zeros((40, 50, 3), dtype=np.uint8)).save(pictures / "0.png")
    assert main(command) == 0
    (pictures / "1.png").unlink()
    assert main(command) == 0
    assert len(folders()) == 4


def test_a_run_that_a_later_image_stops_leaves_nothing(elsewhere, capsys):
    assert main([*own("overflows", "[]"), "samples=20"]) == 1
    assert "not finite" in capsys.readouterr().err
    assert not folders()


@pytest.mark.usefixtures("empty_figures")
def test_a_users_network_is_measured_by_the_command(elsewhere, capsys):
    assert main(own("make")) == 0
    out = capsys.readouterr().out
    assert "ERF size" in out
    assert (Path("results/runs/measure") / folders()[0] / "measure.png").exists()
