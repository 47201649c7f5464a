import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision
from torch.utils.flop_counter import FlopCounterMode

from erf.networks.conv_stack import Activation, ConvStack
from scripts import scaling
from scripts.benchmarks import cost_model, growth, resnet50
from scripts.benchmarks.cost_model import Constants, NetworkMap, StackMap, Study, predict
from scripts.benchmarks.limit import useful_operations
from scripts.benchmarks.markdown import constants_text, study_text
from scripts.benchmarks.stacks import measure_ours
from tests.figures import Panel, Shown, assert_shows, line

TOY = growth.Sizes(depths=(1, 2, 3), runs=(1, 2, 4), sides=(32, 48, 64))


@pytest.fixture(autouse=True)
def no_processes(monkeypatch):
    """Measure no memory, which takes a new process each time."""
    monkeypatch.setattr(growth, "peak_alone", lambda *_: 12.0)


@pytest.fixture
def small_networks(monkeypatch):
    """Take a smaller ResNet, and stacks of at most two layers."""
    for module, name in ((resnet50, "resnet50"), (cost_model, "resnet101")):
        monkeypatch.setattr(module, name, torchvision.models.resnet18)
    shallow = lambda stack, runs: measure_ours(replace(stack, depth=min(stack.depth, 2)), runs)  # noqa: E731
    monkeypatch.setattr(cost_model, "measure_ours", shallow)


@pytest.mark.slow
@pytest.mark.usefixtures("small_networks")
def test_the_files_have_every_curve_and_every_prediction(tmp_path, capsys):
    assert scaling.main(["--repetitions", "1", "--output", str(tmp_path)], TOY, (32, 48)) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"scaling.json", "scaling.pdf", "scaling.png", "scaling.svg"}
    report = json.loads((tmp_path / "scaling.json").read_text())
    assert [(curve["quantity"], curve["values"]) for curve in report["curves"]] == [
        ("depth", [1, 2, 3]),
        ("depth", [1, 2, 3]),
        ("runs", [1, 2, 4]),
        ("pixels a side", [32, 48, 64]),
    ]
    for curve in report["curves"]:
        for side in (curve["ours"], curve["theirs"]):
            assert min(side["seconds"]) > 0
            assert side["mib"] == [12.0] * 3
            assert side["memory_exponent"] == pytest.approx(0, abs=1e-12)
            assert side["time_exponent"] is not None
    assert len(report["predictions"]) == 3
    assert all(prediction["measured_seconds"] > 0 for prediction in report["predictions"])
    study, constants = report["study"], report["constants"]
    seconds = 1000 * constants["network_seconds"] + study["operations"] / constants["network_rate"]
    assert study["hours"] == pytest.approx(seconds / 3600)
    printed = capsys.readouterr().out
    assert "ResNet-101, 32 px, layer4" in printed
    assert "1000 networks" in printed


def test_a_study_is_told_for_this_cpu_and_for_gpus_that_were_measured():
    here, there = Study("a layer", 10, 100, 1e15, 40.0), Study("a layer", 10, 100, 1e15, 2.0)
    assert study_text(here, None) == "10 networks, 100 images, a layer: 40 h on this CPU, GPUs not measured"
    assert study_text(here, there).endswith(": 40 h on this CPU, 2 h on one GPU, 0.25 h on 8")


def test_constants_are_told_by_the_letters_of_the_formulas():
    assert constants_text(Constants(4e-5, 9e10, 0.1, 7e10)) == (
        "Stacks: a = 40 µs, r = 90 GFLOP/s; networks: b = 100 ms, R = 70 GFLOP/s"
    )


def test_exponents_are_those_of_the_three_largest_values():
    assert growth._exponent([1, 2, 4, 8], [7.0, 1.0, 4.0, 16.0]) == pytest.approx(2)
    assert growth._exponent([1, 2, 4], [1.0, None, 4.0]) is None
    assert growth._exponent([1, 2, 4], [1.0, 0.0, 4.0]) is None
    assert growth._exponent([1, 2], [1.0, 2.0]) is None


def test_constants_are_solved_for():
    shallow, deep = (StackMap(ConvStack(depth, 4, activation=Activation.relu), 5) for depth in (2, 9))
    true = Constants(stack_layer_seconds=0.1, stack_rate=1e4, network_seconds=0, network_rate=1)
    rate, layer = cost_model._solved((shallow, deep), [predict(true, stack) for stack in (shallow, deep)])
    assert (rate, layer) == (pytest.approx(1e4), pytest.approx(0.1))


def test_a_prediction_by_hand():
    stack = ConvStack(3, 2, activation=Activation.relu)
    constants = Constants(stack_layer_seconds=2, stack_rate=10, network_seconds=5, network_rate=100)
    assert predict(constants, StackMap(stack, 7)) == pytest.approx(7 * 3 * 2 + useful_operations(stack, 7) / 10)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, bias=False))
    work = NetworkMap(network, "0", torch.zeros(6, 3, 3, 3))
    operations = 2 * 2 * 9 * 3 * 4  # of one unit, forward and backward
    assert work.operations == operations
    assert predict(constants, work) == pytest.approx(5 + 6 * operations / 100)


def test_operations_are_those_of_the_crop():
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 9), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 9))
    of_trf, large = (NetworkMap(network, "2", torch.zeros(2, 3, side, side)).operations for side in (17, 200))
    image = torch.zeros(1, 3, 17, 17, requires_grad=True)
    with FlopCounterMode(display=False) as forward:
        network(image)
    assert of_trf == 2 * forward.get_total_flops()
    assert large == of_trf


def test_both_ways_measure_the_same():
    ours, theirs = (growth.of_side(way, 64) for way in (growth.replknet_map, growth.replknet_procedure))
    assert np.linalg.norm(ours - theirs) < 1e-2 * np.linalg.norm(theirs)


def test_the_figure_shows_every_curve():
    ours, plain = (
        growth.Side((1.0, 2.0, 5.0), (3.0, 4.0, 7.0), 1.5, 0.5, 2, 1),
        growth.Side((2.0, 9.0, 40.0), (8.0, None, 6.0), 2.5, None, 3, 1),
    )
    curves = [
        growth.Curve("stacks, 2 runs", "depth", (1, 2, 4), ours, plain),
        growth.Curve("networks", "runs", (10, 11, 20), plain, ours),
    ]
    seconds = {id(ours): ("1.50 (2)", [0, 1, 2]), id(plain): ("2.50 (3)", [0, 1, 2])}
    mib = {id(ours): ("0.50 (1)", [0, 1, 2]), id(plain): ("-", [0, 2])}
    panels = [
        Panel(
            [
                line([c.values[i] for i in known], [getattr(side, name)[i] for i in known], f"{way}: {text}", colour)
                for way, side, colour in (("ours", c.ours, "#0072B2"), ("plain", c.theirs, "#D55E00"))
                for text, known in [texts[id(side)]]
            ],
            title, c.quantity, ylabel if c is curves[0] else "", ("log", "log"), ticks, legend=True,
        )
        for name, ylabel, texts in (("seconds", "time (s)", seconds), ("mib", "memory (MiB)", mib))
        for c, ticks in zip(curves, ({1.0: "1", 2.0: "2", 4.0: "4"}, {10.0: "10", 20.0: "20"}), strict=True)
        for title in [c.name.replace(", ", ",\n") if name == "seconds" else ""]
    ]  # fmt: skip
    caption = ["plain", "a fresh process's peak", "exponent", "in brackets"]
    figure = scaling.draw(curves)
    assert_shows(figure, Shown(panels, "At the largest values ours is 0.1 to 8 times as fast as plain passes", caption))
    assert figure.axes[0].get_legend().get_texts()[0].get_fontsize() == 7  # pyright: ignore[reportOptionalMemberAccess]
