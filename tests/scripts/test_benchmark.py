import json
import math
import re
from typing import Any, cast

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from erf.networks.conv_stack import Activation, ConvStack
from erf.seeds import generator
from experiments.harness.environment import Environment
from scripts import benchmark
from scripts.benchmarks import expected, limit, one_image, precision, stacks, tracing, training
from scripts.benchmarks.case import Case, Disagreement, time_in_turns
from scripts.benchmarks.tracing import Extent

TOY = ["--depths", "2", "3", "--channels", "2", "--runs", "2", "--width", "2", "--repetitions", "1"]
TOY += ["--large", "64", "--small", "32", "--images", "1", "--small-images", "2", "--one-image", "32"]
NUMBERS = {"ours_seconds", "theirs_seconds", "ratio", "max_relative_difference", "relative_l2"}
FIELDS = NUMBERS | {
    "name",
    "ratio_range",
    "limit_ratio",
    "ours_peak_mib",
    "theirs_peak_mib",
    "repetitions",
    "threads",
    "device",
}


@pytest.fixture(autouse=True)
def small_resnet(monkeypatch):
    """Trace a smaller network of the same kind; the cases of ResNet-50 have tests of their own."""
    monkeypatch.setattr(torchvision.models, "resnet152", torchvision.models.resnet18)
    monkeypatch.setattr(benchmark, "time_resnet50", resnet50_cases)
    monkeypatch.setattr(one_image, "STAGES", {"resnet18": ("layer1",)})
    monkeypatch.setattr(precision, "LAYERS", {"resnet18": "layer1"})
    for name, value in {"ARCHITECTURE": "resnet18", "LAYER": "layer1", "SIDE": 32, "PILOT": 8}.items():
        monkeypatch.setattr(expected, name, value)


@pytest.fixture
def small_product(monkeypatch):
    """Multiply smaller matrices for the machine's limit."""
    monkeypatch.setattr(limit, "SIDE", 256)
    monkeypatch.setattr(limit.MatrixProduct, "operations", 2 * 256**3)


def resnet50_cases(large, large_images, small, small_images, repetitions, environment):
    yield Case.of(f"{large} {large_images} {small} {small_images}", [[1.0], [2.0]], environment)


@pytest.fixture
def no_processes(monkeypatch, small_product):
    """Measure no memory, which takes a new process each time."""
    monkeypatch.setattr(stacks, "stack_peak", lambda *_: 12.0)


@pytest.mark.slow
@pytest.mark.usefixtures("no_processes")
def test_the_file_has_every_case_and_the_maps_agree(tmp_path, capsys):
    path = tmp_path / "benchmark.json"
    assert benchmark.main([*TOY, "--output", str(path)]) == 0
    assert str(path) in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [path]
    report = json.loads(path.read_text())
    *stacks, theory, over_weights, trfs, step, of_resnet50, first, again, coarse, of_one = report["cases"]
    assert first["name"] == "resnet18, layer1, 1 image, 32 px, first call, against autograd.grad, CPU time"
    assert again["name"] == "resnet18, layer1, 1 image, 32 px, again, against autograd.grad, CPU time"
    assert max(first["relative_l2"], again["relative_l2"]) < 1e-5
    assert of_resnet50["name"] == "64 1 32 2"
    assert coarse["name"] == "resnet18, layer1, 32 px, images: 2, bfloat16 against float32, CPU time"
    assert 1e-3 < coarse["relative_l2"] < 0.3
    assert of_one["name"].startswith("resnet18, layer1, 32 px, images: 1, ")
    assert [case["name"].split(",")[:2] for case in stacks] == [
        ["linear stack", " depth 2"],
        ["linear stack", " depth 3"],
        ["relu stack", " depth 2"],
        ["relu stack", " depth 3"],
    ]
    for case in stacks:
        assert set(case) == FIELDS
        assert all(isinstance(case[key], float) and math.isfinite(case[key]) for key in NUMBERS)
        assert case["ratio"] == pytest.approx(case["theirs_seconds"] / case["ours_seconds"])
        assert case["ratio_range"][0] <= case["ratio_range"][1]
        assert 0 < case["limit_ratio"] < 1
        assert case["max_relative_difference"] < 1e-5
        assert (case["repetitions"], case["threads"], case["device"]) == (3, 1, report["environment"]["device"])
    assert [case["ours_peak_mib"] for case in stacks] == [None, 12.0, None, 12.0]
    assert set(theory) == FIELDS
    assert theory["ours_seconds"] > 0
    assert theory["theirs_seconds"] is None
    assert theory["ratio"] is theory["ratio_range"] is theory["limit_ratio"] is None
    assert re.fullmatch(r"expected map of resnet18, layer1, 32 px, against \d+ draws", over_weights["name"])
    assert over_weights["theirs_seconds"] > over_weights["ours_seconds"]
    assert 0.01 < over_weights["relative_l2"] < 1
    assert trfs["name"].startswith("TRF of ResNet-152")
    assert trfs["theirs_seconds"] > 0
    assert trfs["max_relative_difference"] == 0
    assert trfs["limit_ratio"] is None
    assert step["name"].startswith("training step")
    assert step["ratio"] == pytest.approx(step["theirs_seconds"] / step["ours_seconds"])
    assert step["max_relative_difference"] < 1e-5


def test_without_output_only_the_table_is_left(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    case = Case.of("linear stack, depth 2, 2 channels, 2 runs", [[1.0], [2.0]], Environment.now("cpu"))
    monkeypatch.setattr(benchmark, "_measure_cases", lambda *_: [case])
    assert benchmark.main(TOY) == 0
    assert "linear stack, depth 2, 2 channels, 2 runs" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("activation", [Activation.none, Activation.relu])
@pytest.mark.parametrize(("kernel_size", "input_channels"), [(3, 1), (5, 3)])
def test_both_sides_measure_the_same_maps(activation, kernel_size, input_channels):
    stack = ConvStack(4, 3, input_channels, kernel_size, activation=activation)
    ours, theirs = stacks.measure_ours(stack, 5), stacks.plain_loop(stack, 5)
    assert ours.shape == theirs.shape == (5, stack.trf_size, stack.trf_size)
    assert theirs.max() > 0
    assert stacks.max_relative_difference(ours, theirs) < 1e-5


def test_draws_are_needed_by_the_square_of_their_relative_scatter():
    maps = np.random.default_rng(0).normal(5, 1, (400, 20, 20))  # scatter 1 / 5 of the mean
    assert expected.draws_needed(maps) == pytest.approx((1 / 5 / 0.01) ** 2, rel=0.02)
    assert expected.draws_needed(3 * maps) == expected.draws_needed(maps)


def test_an_expected_map_that_the_draws_do_not_have_is_an_error(monkeypatch):
    other = expected._expected
    monkeypatch.setattr(expected, "_expected", lambda *given: np.roll(other(*given), 16, 1))
    with pytest.raises(Disagreement, match="expected map of resnet18, layer1, 32 px: the maps differ"):
        expected.time_expected_map(1, Environment.now("cpu"))


def test_differences_are_those_computed_by_hand():
    a, b = np.zeros((2, 3, 3)), np.zeros((2, 3, 3))
    b[0, 1, 1], a[0, 1, 1], a[0, 0, 0] = 4, 4, 3
    assert stacks.max_relative_difference(a, b) == 0.75
    assert stacks.relative_l2(a, b) == 0.75
    assert stacks.max_relative_difference(b, b) == stacks.relative_l2(b, b) == 0


@pytest.mark.usefixtures("no_processes")
@pytest.mark.parametrize("activation", ["none", "relu"])
def test_maps_that_differ_are_an_error_and_nothing_is_written(activation, tmp_path, monkeypatch, capsys):
    true_maps = stacks.plain_loop

    def wrong(stack: ConvStack, runs: int) -> np.ndarray:
        maps = true_maps(stack, runs)
        return maps * 1.1 if stack.activation == activation else maps

    monkeypatch.setattr(stacks, "plain_loop", wrong)
    assert benchmark.main([*TOY, "--output", str(tmp_path / "benchmark.json")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "the maps differ by" in line
    assert not list(tmp_path.iterdir())


def test_maps_that_are_not_numbers_are_an_error():
    maps = np.full((1, 3, 3), np.nan)
    with pytest.raises(Disagreement):
        stacks.require_agreement("stack", maps, maps, Activation.none)


def test_what_is_short_is_repeated_within_its_turn(monkeypatch):
    now, calls = [0.0], []

    def work(seconds):
        calls.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("scripts.benchmarks.case.LEAST_SECONDS", 0.5)
    durations = time_in_turns([lambda: work(0.25), lambda: work(2.0)], 2, lambda: now[0])
    assert durations == [(0.25, 0.25), (2.0, 2.0)]
    assert calls == [0.25, 0.25, 2.0] * 2


def test_a_case_is_the_median_and_the_range_of_its_repetitions():
    case = Case.of("toy", [[1.0, 2.0, 4.0], [10.0, 30.0, 20.0]], Environment.now("cpu"))
    assert (case.ours_seconds, case.theirs_seconds, case.repetitions) == (2, 20, 3)
    assert (case.ratio, case.ratio_range) == (10, (5, 15))
    alone = Case.of("toy", [[3.0, 1.0, 2.0]], Environment.now("cpu"))
    assert (alone.ours_seconds, alone.theirs_seconds, alone.ratio, alone.ratio_range) == (2, None, None, None)


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        (ConvStack(1, 5, 3), 2 * 9 * 5 * 3),
        (ConvStack(3, 4), 2 * 9 * (16 * (1 + 9) + 4 * 25)),
        (ConvStack(3, 4, activation=Activation.relu), 2 * 2 * 9 * (16 * (1 + 9) + 4 * 25)),
        (ConvStack(3, 4, kernel_size=5), 2 * 25 * (16 * (1 + 25) + 4 * 81)),
    ],
)
def test_useful_operations_by_hand(stack, expected):
    assert limit.useful_operations(stack, 7) == 7 * expected


@pytest.mark.parametrize("activation", [Activation.none, Activation.relu])
def test_useful_operations_are_what_torch_counts_in_an_unpadded_pass(activation):
    stack = ConvStack(4, 3, 2, activation=activation)
    network = stack.network(stack.draw_weights(generator(0))).requires_grad_(False)
    image = torch.zeros(1, 2, stack.trf_size, stack.trf_size, requires_grad=True)
    with FlopCounterMode(display=False) as forward:
        output = network(image)
    with FlopCounterMode(display=False) as backward:
        output.sum().backward()
    assert forward.get_total_flops() == backward.get_total_flops()
    counted = backward.get_total_flops() * (2 if activation is Activation.relu else 1)
    assert limit.useful_operations(stack, 1) == counted


def test_the_limit_by_hand():
    assert limit.limit_ratio(limit.MatrixProduct.operations // 4, seconds=0.5, product_seconds=1) == 0.5
    assert limit.MatrixProduct.operations == 2 * limit.SIDE**3


def test_the_plain_recursion_by_hand():
    network = nn.Sequential(
        nn.Conv2d(3, 2, 7, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Sequential(nn.Conv2d(2, 2, 3, dilation=2))
    )
    extents = tracing.plain_recursion(network, 40, ["0", "2", "3"])
    assert extents == {"0": Extent(7, 2), "2": Extent(11, 4), "3": Extent(27, 4)}
    assert extents == tracing.library_extents(network, 40, ["0", "2", "3"])
    assert not any(layer._forward_hooks for layer in network.modules())


def test_receptive_fields_that_differ_are_told(monkeypatch):
    monkeypatch.setattr(Extent, "through", lambda extent, _: extent)
    with pytest.raises(Disagreement, match="TRF of ResNet-152"):
        tracing.time_tracing(1, Environment.now("cpu"))


def test_a_training_step_that_ends_in_other_weights_is_told(monkeypatch):
    monkeypatch.setattr(training, "training_step", lambda *_: None)
    monkeypatch.setattr(training, "BATCH_SIZE", 8)
    with pytest.raises(Disagreement, match="weights differ"):
        training.time_training_step(2, 1, Environment.now("cpu"))


def test_a_first_call_is_one_of_a_network_that_is_not_known(monkeypatch, small_resnet):
    forgotten = []
    monkeypatch.setattr(one_image, "forget", forgotten.append)
    monkeypatch.setattr(one_image, "time_both", lambda name, ours, theirs, *_rest, **_clock: (name, ours()))
    names = [
        case[0]
        for case in cast("list[tuple[str, Any]]", list(one_image.time_one_image([32], 1, Environment.now("cpu"))))
    ]
    assert ["first call" in name for name in names] == [True, False]
    assert len(forgotten) == 2  # to compare its map, and to time it


def test_a_transformer_takes_no_image_that_is_too_large_for_it(monkeypatch):
    monkeypatch.setattr(one_image, "STAGES", {"vit_b_16": ("encoder.layers.encoder_layer_0",)})
    assert not list(one_image.time_one_image([1024], 1, Environment.now("cpu")))
