"""Commands killed at random moments and given again: what they leave is what they leave when they are left alone."""

import os
import random
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from joblib.externals.loky import get_reusable_executor

from experiments.harness.cli import main
from experiments.harness.reference import REFERENCE
from scripts import report
from tests.conftest import leave_figures_empty
from tests.erf.data.tiny_sets import cifar_binary
from tests.experiments.test_killed import train
from tests.experiments.toy_data import toy_data
from tests.scripts.test_fetch_data_killed import fetch

# They say when and where, not what.
DIFFERING = {"environment.json", "tensorboard", ".hydra", "multirun.yaml"}
KILLS = {"run": 12, "sweep": 12, "sweep by joblib": 6, "training": 8, "fetch": 8, "report": 4}


def by_command(folder: Path, *arguments: str, sweeps: bool = False) -> None:
    os.chdir(folder)
    sys.argv = ["run.py"]
    with pytest.MonkeyPatch.context() as patch:
        leave_figures_empty(patch)
        sys.exit(main([*["-m"] * sweeps, "experiment=exact_theory", "scale=smallest", *arguments]))


def run(folder: Path) -> None:
    by_command(folder, "hydra.run.dir=runs")


def sweep(folder: Path) -> None:
    by_command(folder, "seed=0,1,2", "hydra.sweep.dir=sweep", sweeps=True)


def sweep_by_joblib(folder: Path) -> None:
    """Both jobs at once, each in a worker of its own.

    Workers that have nothing to do wait 300 s for more. At an interpreter's end joblib ends them, and what it registers
    for that is not called in a process of multiprocessing.
    """
    joblib = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    try:
        by_command(folder, "seed=0,1", "hydra.sweep.dir=sweep", *joblib, sweeps=True)
    finally:
        get_reusable_executor(reuse=True).shutdown()


def training(folder: Path) -> None:
    train(folder, toy_data())


def fetching(folder: Path) -> None:
    if not (folder / "copy").exists():
        cifar_binary(folder / "half")
        (folder / "half").rename(folder / "copy")
    (folder / "data").mkdir(exist_ok=True)
    fetch(folder)


def reporting(folder: Path) -> None:
    records = folder / "records" / "exact_theory"
    if not records.exists():
        shutil.copytree(REFERENCE / "exact_theory", folder / "half")
        records.parent.mkdir(exist_ok=True)
        (folder / "half").rename(records)
    sys.exit(report.main([str(folder / "records")]))


COMMANDS: dict[str, Callable[[Path], None]] = {"run": run, "sweep": sweep, "sweep by joblib": sweep_by_joblib}
COMMANDS |= {"training": training, "fetch": fetching, "report": reporting}


def in_one_thread(command: Callable[[Path], None], folder: Path) -> None:
    torch.set_num_threads(1)
    command(folder)


def start(context, command, folder):
    folder.mkdir(exist_ok=True)
    process = context.Process(target=in_one_thread, args=(command, folder))
    process.start()
    return process


def finish(context, command, folder) -> dict[str, bytes]:
    """Run to the end; return what is left, by the path of each file."""
    process = start(context, command, folder)
    process.join(3600)  # a machine may be busy
    assert process.exitcode == 0
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {str(name): path.read_bytes() for name, path in files.items() if not DIFFERING & {*name.parts}}


def survived(context, command, folder, kills, seed) -> tuple[int, int]:
    """Return how many kills there were, each of an own attempt, and how many ended in the uninterrupted files."""
    begin = time.monotonic()
    expected = finish(context, command, folder / "uninterrupted")
    seconds = time.monotonic() - begin
    assert expected
    moments, killed, good = random.Random(seed), 0, 0
    for attempt in range(4 * kills):
        if killed == kills:
            break
        process = start(context, command, folder / str(attempt))
        process.join(moments.uniform(0.02, 0.9) * seconds)
        is_killed = process.exitcode is None
        process.kill()
        process.join()
        if is_killed:
            killed += 1
            good += finish(context, command, folder / str(attempt)) == expected
    return killed, good


def test_one_kill_of_a_fetch(context, tmp_path):
    assert survived(context, fetching, tmp_path, 1, seed=0) == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", KILLS)
def test_what_is_killed_ends_as_if_left_alone(name, context, tmp_path, capsys):
    seed = int(os.environ.get("CAMPAIGN_SEED", "2026"))
    killed, good = survived(context, COMMANDS[name], tmp_path, KILLS[name], seed)
    with capsys.disabled():
        print(f"\nkills of {name}, seed {seed}: {good} of {killed}")
    assert good == killed == KILLS[name]
