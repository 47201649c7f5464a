import json
import math

import numpy as np
import pytest
import torch

from erf.networks.conv_stack import Activation, ConvStack
from scripts import benchmark
from scripts.benchmarks import training

TOY = ["--depths", "2", "3", "--channels", "2", "--runs", "2", "--width", "2", "--repetitions", "1"]
NUMBERS = {"ours_seconds", "theirs_seconds", "ratio", "max_relative_difference", "relative_l2"}
FIELDS = NUMBERS | {"name", "ours_peak_mib", "theirs_peak_mib", "repetitions", "threads", "device"}


@pytest.fixture(autouse=True)
def threads():
    """Give back the process's threads, which main sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def no_processes(monkeypatch):
    """Measure no memory, which takes a new process each time."""
    monkeypatch.setattr(benchmark, "_peak_alone", lambda *_: 12.0)


@pytest.mark.usefixtures("no_processes")
def test_the_file_has_every_case_and_the_maps_agree(tmp_path, capsys):
    path = tmp_path / "benchmark.json"
    assert benchmark.main([*TOY, "--output", str(path)]) == 0
    assert str(path) in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [path]
    report = json.loads(path.read_text())
    *stacks, theory, step = report["cases"]
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
        assert case["max_relative_difference"] < 1e-5
        assert (case["repetitions"], case["threads"], case["device"]) == (1, 1, report["environment"]["device"])
    assert [case["ours_peak_mib"] for case in stacks] == [None, 12.0, None, 12.0]
    assert set(theory) == FIELDS
    assert theory["ours_seconds"] > 0
    assert theory["theirs_seconds"] is None
    assert theory["ratio"] is None
    assert step["name"].startswith("training step")
    assert step["ratio"] == pytest.approx(step["theirs_seconds"] / step["ours_seconds"])
    assert step["max_relative_difference"] < 1e-5


@pytest.mark.usefixtures("no_processes")
def test_without_output_only_the_table_is_left(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert benchmark.main(TOY) == 0
    assert "linear stack, depth 2, 2 channels, 2 runs" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("activation", [Activation.none, Activation.relu])
@pytest.mark.parametrize(("kernel_size", "input_channels"), [(3, 1), (5, 3)])
def test_both_sides_measure_the_same_maps(activation, kernel_size, input_channels):
    stack = ConvStack(4, 3, input_channels, kernel_size, activation=activation)
    ours, theirs = benchmark.measure_ours(stack, 5), benchmark.plain_loop(stack, 5)
    assert ours.shape == theirs.shape == (5, stack.trf_size, stack.trf_size)
    assert theirs.max() > 0
    assert benchmark.max_relative_difference(ours, theirs) < 1e-5


def test_differences_are_those_computed_by_hand():
    a, b = np.zeros((2, 3, 3)), np.zeros((2, 3, 3))
    b[0, 1, 1], a[0, 1, 1], a[0, 0, 0] = 4, 4, 3
    assert benchmark.max_relative_difference(a, b) == 0.75
    assert benchmark.relative_l2(a, b) == 0.75
    assert benchmark.max_relative_difference(b, b) == benchmark.relative_l2(b, b) == 0


@pytest.mark.usefixtures("no_processes")
@pytest.mark.parametrize("activation", ["none", "relu"])
def test_maps_that_differ_are_an_error_and_nothing_is_written(activation, tmp_path, monkeypatch, capsys):
    true_maps = benchmark.plain_loop

    def wrong(stack: ConvStack, runs: int) -> np.ndarray:
        maps = true_maps(stack, runs)
        return maps * 1.1 if stack.activation == activation else maps

    monkeypatch.setattr(benchmark, "plain_loop", wrong)
    assert benchmark.main([*TOY, "--output", str(tmp_path / "benchmark.json")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "the maps differ by" in line
    assert not list(tmp_path.iterdir())


def test_maps_that_are_not_numbers_are_an_error():
    maps = np.full((1, 3, 3), np.nan)
    with pytest.raises(benchmark.Disagreement):
        benchmark.require_agreement("stack", maps, maps, Activation.none)


def growth(mebibytes: int) -> float:
    before = benchmark.resident_peak()
    np.ones(mebibytes * 2**17)
    return benchmark.resident_peak() - before


@pytest.mark.skipif(benchmark.resident_peak() is None, reason="this system does not tell a process's peak memory")
def test_memory_is_that_of_the_call_alone():
    np.ones(700 * 2**17)  # would hide the call's, were this process counted
    assert benchmark.in_fresh_process(growth, 200) == pytest.approx(200, abs=5)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--threads", "0"], "threads=0"),
        (["--runs", "0"], "runs=0"),
        (["--channels", "-1"], "channels=-1"),
        (["--repetitions", "0"], "repetitions=0"),
        (["--threads", "many"], "--threads"),
        (["--depths", "5", "3"], "depths=[5, 3]"),
        (["--output", "missing/benchmark.json"], "missing/benchmark.json"),
        (["--output", "."], "output=."),
        (["--nothing"], "--nothing"),
    ],
)
def test_bad_input_is_one_line(arguments, named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert benchmark.main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert named in line


@pytest.mark.usefixtures("no_processes")
def test_a_training_step_that_ends_in_other_weights_is_told(monkeypatch, capsys):
    monkeypatch.setattr(training, "training_step", lambda *_: None)
    assert benchmark.main(TOY) == 1
    assert "weights differ" in capsys.readouterr().err
