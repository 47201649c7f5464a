"""A training killed at random moments and started again ends in the same record as one that was left alone."""

import os
import random
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from erf import InfluenceMap
from erf.networks import cifar_resnet
from experiments.cifar10 import experiment as cifar10
from experiments.harness.cli import main
from experiments.harness.environment import Environment
from experiments.harness.record import is_complete, write_record
from experiments.harness.tensorboard_logbook import TensorBoardLogbook
from tests.experiments.toy_data import toy_data

SETTINGS = {"width": 2, "batch_size": 5, "epochs": 2, "images": 3, "grid": 1, "bootstrap": 20, "calibration": 1}
SETTINGS |= {"checkpoint_steps": 2, "partial_data": True}
# They say when and where, not what.
DIFFERING = {"environment.json", "tensorboard", ".hydra"}


def train(folder: Path, data_dir: Path) -> None:
    """Do what the command line does, without the figures, which take longest."""
    if is_complete(folder):  # the command shows it
        return
    torch.set_num_threads(1)
    cifar_resnet.BLOCKS = 2  # in this process alone, as are the next
    cifar_resnet.CifarResNet.layers = ("stem", "top")  # measuring each of the others takes longest
    TensorBoardLogbook.animation = attach_maps
    result = cifar10.run(cifar10.Config(**SETTINGS, data_dir=str(data_dir)), logbook := TensorBoardLogbook(folder))
    write_record(folder, result, Environment.now("cpu"))
    logbook.discard_partial()


def attach_maps(logbook: TensorBoardLogbook, name: str, maps: Mapping[str, InfluenceMap]) -> None:
    """Write what an animation is drawn from."""
    logbook.attach(f"{name}.gif", b"".join(title.encode() + imap.values.tobytes() for title, imap in maps.items()))


def train_by_command(folder: Path, data_dir: Path) -> None:
    torch.set_num_threads(1)
    os.chdir(folder)
    sys.argv = ["run.py"]
    overrides = [f"{key}={str(value).lower()}" for key, value in SETTINGS.items()]
    sys.exit(main(["experiment=cifar10", f"data_dir={data_dir}", *overrides, "hydra.run.dir=runs"]))


def start(context, target, folder):
    folder.mkdir(exist_ok=True)
    process = context.Process(target=target, args=(folder, toy_data()))
    process.start()
    return process


def finish(context, target, folder) -> dict[str, bytes]:
    """Run to the end; return the record's files."""
    process = start(context, target, folder)
    process.join(120)
    assert process.exitcode == 0
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {str(name): path.read_bytes() for name, path in files.items() if not DIFFERING & {*name.parts}}


def kill_and_compare(context, target, folder, times):
    begin = time.monotonic()
    expected = finish(context, target, folder / "uninterrupted")
    seconds = time.monotonic() - begin
    assert {Path(name).name for name in expected} >= {"result.json", "arrays.npz", "weights.safetensors", "erf.gif"}
    moments, killed, attempt = random.Random(0), 0, 0
    while killed < times:
        attempt += 1
        for _ in range(2):
            process = start(context, target, folder / str(attempt))
            process.join(moments.uniform(0.1, 0.8) * seconds)
            killed += process.exitcode is None
            process.kill()
            process.join()
        assert finish(context, target, folder / str(attempt)) == expected


def test_killed_twice_it_ends_in_the_same_record(context, tmp_path):
    kill_and_compare(context, train, tmp_path, times=2)


@pytest.mark.slow
def test_the_command_killed_ten_times_ends_in_the_same_record(context, tmp_path):
    kill_and_compare(context, train_by_command, tmp_path, times=10)
