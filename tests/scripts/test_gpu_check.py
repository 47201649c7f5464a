import json
from collections import OrderedDict

import msgspec
import pytest
import torch
import torchvision
from torch import nn

from experiments.erf_growth.experiment import Config
from experiments.stacks.paper_stacks import Kind
from scripts import gpu_check
from scripts.benchmarks import resnet50
from scripts.benchmarks.cost_model import Study

SIZES = gpu_check.Sizes(side=32, few=2, many=3, batch_size=2)
TOY = Config(kinds=[Kind.random], depths=[2, 3, 4], runs=2, channels=2, bootstrap=2)


def compare_small(device: str) -> list[gpu_check.Comparison]:
    return list(gpu_check.compare_stacks(device, depths=[3], runs=2))


def growth(sizes: list[float]) -> gpu_check.Growth:
    return gpu_check.Growth("a device", 1, 1.0, None, None, sizes)


def cost() -> gpu_check.NetworkCost:
    return gpu_check.NetworkCost(SIZES, 1.0, 1e12, Study("a layer", 10, 100, 1e15, 0.3))


def test_a_device_agrees_with_itself_in_every_comparison():
    comparisons = compare_small("cpu")
    assert [c.name for c in comparisons] == [
        "linear stack, depth 3, float64",
        "linear stack, depth 3, float32",
        "relu stack, depth 3, float64",
        "relu stack, depth 3, float32",
    ]
    assert [c.allowed for c in comparisons] == [1e-10, 1e-5, 1e-10, 1e-2]
    assert all(c.passed and c.difference == 0 for c in comparisons)


def four_layers(weights: None) -> nn.Module:
    """A network whose layers have the names of ResNet-50's."""
    layers = [nn.Sequential(nn.Conv2d(channels, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU()) for channels in (3, 4, 4, 4)]
    return nn.Sequential(OrderedDict(zip(resnet50.LAYERS, layers, strict=True)))


def test_a_network_that_computes_otherwise_fails(monkeypatch):
    monkeypatch.setattr(resnet50, "resnet50", four_layers)
    assert all(c.passed for c in gpu_check.compare_networks("cpu", 32))
    measure, calls = gpu_check.effective_receptive_field, iter([0, 1] * 2)

    def second_of_other_images(network, images, *arguments, **options):
        batches = (-batch for batch in images) if next(calls) else images
        return measure(network, batches, *arguments, **options)

    monkeypatch.setattr(gpu_check, "effective_receptive_field", second_of_other_images)
    assert not any(c.passed for c in gpu_check.compare_networks("cpu", 32))


@pytest.mark.parametrize(("factor", "failing"), [(1 + 1e-9, 2), (1 + 1e-4, 3), (1.1, 4), (float("nan"), 4)])
def test_a_device_that_computes_otherwise_fails(factor, failing, monkeypatch):
    measure, calls = gpu_check.stack_moments, iter(range(8))

    def every_second_otherwise(*arguments, **options):
        return measure(*arguments, **options) * (factor if next(calls) % 2 else 1)

    monkeypatch.setattr(gpu_check, "stack_moments", every_second_otherwise)
    assert sum(not c.passed for c in compare_small("cpu")) == failing


def test_sizes_may_differ_by_rounding_only():
    assert gpu_check.compare_sizes(growth([10, 20]), growth([10, 20.05])).passed
    assert not gpu_check.compare_sizes(growth([10, 20]), growth([10.1, 20])).passed


@pytest.mark.slow
def test_a_passed_check_is_recorded(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu_check, "in_fresh_process", lambda function, *arguments: function(*arguments))
    path = tmp_path / "gpu_check" / "result.json"
    monkeypatch.setattr(resnet50, "resnet50", torchvision.models.resnet18)
    assert gpu_check.conclude(gpu_check.check("cpu", TOY, [3], SIZES), path) == 0
    assert str(path) in capsys.readouterr().out
    record = json.loads(path.read_text())
    assert {"commit", "dirty", "versions", "device", "seconds"} <= set(record["environment"])
    assert len(record["comparisons"]) == 4 + 8 + 1
    assert record["network"]["study"]["operations"] > 0
    monkeypatch.setattr(gpu_check, "RECORD", path)
    assert msgspec.to_builtins(gpu_check.study_on_gpu()) == record["network"]["study"]
    for run in record["erf_growth"]:
        assert run["seconds"] > 0
        assert len(run["sizes"]) == 3
        assert run["gpu_peak_mib"] is None


def test_a_failed_comparison_is_named_and_leaves_no_record(tmp_path, capsys):
    path = tmp_path / "result.json"
    bad = gpu_check.Comparison("a stack", "of the peak", 1.0, 1e-10)
    environment = gpu_check.Environment.now("cpu")
    assert gpu_check.conclude(gpu_check.Report(TOY, environment, [bad], [], cost()), path) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "a stack: 1.0e+00 of the peak" in line
    assert not path.exists()


def test_without_a_gpu_nothing_is_checked(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu_check, "RECORD", tmp_path / "result.json")
    assert gpu_check.main([]) == 0
    assert gpu_check.study_on_gpu() is None
    assert capsys.readouterr().out == "no GPU here: nothing checked\n"
    assert not list(tmp_path.iterdir())
