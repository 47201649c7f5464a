"""What a machine, or torch, has no room for is refused before anything is allocated or started."""

import io
import os
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from erf import InvalidInput
from erf.errors import exit_code
from experiments.harness import job, machine
from experiments.harness.cli import main
from tests.experiments.smallest import smallest_config

pytestmark = pytest.mark.usefixtures("nothing_is_written")
CORES = os.cpu_count() or 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["erf_growth", "channels=1000000"],
            "channels=1000000, input_channels=1, depths=100, kernel_size=3: that takes 3,",
        ),
        (["erf_growth", "kernel_size=1000000"], "kernel_size=1000000: that takes "),
        (["exact_theory", "depth=10000000"], "depth=10000000, "),
        (
            ["gaussian_shape", "group_total=100000000000000"],
            "group_total=100000000000000: allowed are whole numbers up to ",
        ),
        (["attention", "side=1000000"], "side=1000000: that takes "),
        (["measure", "input_size=1000000"], "input_size=[1000000, 1000000]: that takes "),
        pytest.param(
            ["architectures", "input_size=1000000"], "input_size=1000000: that takes ", marks=pytest.mark.slow
        ),
        (["cifar10", "width=1000000"], "width=1000000: that takes "),
        pytest.param(
            ["camvid", "widths=[1,1,1,1000000]"], "widths=[1, 1, 1, 1000000]: that takes ", marks=pytest.mark.slow
        ),
        (["cifar10", "learning_rate=1e300"], "learning_rate=1e+300: allowed are finite numbers, up to 3.4e+38"),
        (["cifar10", "learning_rate=nan"], "learning_rate=nan: allowed are finite numbers"),
        pytest.param(
            ["cifar10", "learning_rate=0"], "learning_rate=0.0: allowed are numbers above 0", marks=pytest.mark.slow
        ),
        (["camvid", "momentum=1"], "momentum=1.0: allowed are numbers from 0 to below 1"),
        pytest.param(
            ["growth_controls", "weight_decay=-1"],
            "weight_decay=-1.0: allowed are numbers from 0",
            marks=pytest.mark.slow,
        ),
        (["center_low_init", "momentum=-0.1"], "momentum=-0.1: allowed"),
        (["kernels", "seed=9223372036854775808"], "seed=9223372036854775808: allowed are whole numbers up to 9223"),
        pytest.param(
            ["cifar10", "calibration=2147483648"],
            "calibration=2147483648: allowed are whole numbers up to 2147483647",
            marks=pytest.mark.slow,
        ),
        (["growth_start", "cifar10_widths=[1000000]"], "cifar10_widths=1000000: that takes "),
        pytest.param(
            ["growth_start", "camvid_widths=[1000000]"], "camvid_widths=[1000000, 2000000, ", marks=pytest.mark.slow
        ),
        pytest.param(
            ["magnitudes_and_signs", "cifar10_width=1000000"],
            "cifar10_width=1000000: that takes ",
            marks=pytest.mark.slow,
        ),
        (["growth_start", "gains=[2]"], "gains=2.0: allowed are numbers from 0 to 1"),
        (["center_low_init", "threads=1000000"], f"threads=1000000: this machine has {CORES} cores; allowed"),
        pytest.param(
            ["cifar10", "processes=1000000"],
            f"processes=1000000: this machine has {CORES} cores; allowed",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_settings_beyond_the_machine_or_their_range_are_one_line(arguments, said, capsys):
    assert main([f"experiment={arguments[0]}", *arguments[1:]]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert said in line


def test_a_batch_that_processes_cannot_share_is_refused_before_one_starts(monkeypatch):
    config = replace(smallest_config("cifar10"), batch_size=25)
    config.require_possible()
    monkeypatch.setattr(machine, "CORES", 3)
    with pytest.raises(InvalidInput, match="batch_size=25 cannot be shared evenly by processes=3"):
        replace(config, processes=3).require_possible()
    monkeypatch.setenv("WORLD_SIZE", "2")  # of torchrun
    with pytest.raises(InvalidInput, match="batch_size=25 cannot be shared evenly by processes=2"):
        config.require_possible()


def test_a_record_of_a_larger_machine_is_read(monkeypatch):
    monkeypatch.setattr(machine, "CORES", 1)
    assert replace(smallest_config("center_low_init"), threads=16).threads == 16


@pytest.mark.parametrize("wanted", [lambda: np.empty(2**60), lambda: torch.empty(2**45), lambda: torch.empty(2**61, 4)])
def test_memory_that_runs_out_is_one_line(wanted, capsys):
    assert exit_code(wanted) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: out of memory; smaller values need less (")


def test_memory_that_runs_out_in_a_job_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(job, "measure_once", lambda *_: torch.empty(2**45))
    assert main(["experiment=erf_growth"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: out of memory; ")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_an_encoding_has_not_is_printed_as_an_escape(encoding, monkeypatch):
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding) for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)

    def command() -> None:
        print("R² of 3 σ in ü")
        raise InvalidInput("σ")

    assert exit_code(command) == 1
    for name, text in {"stdout": "R² of 3 σ in ü\n", "stderr": "error: σ\n"}.items():
        streams[name].flush()
        assert streams[name].buffer.getvalue() == text.encode(encoding, "backslashreplace")
