"""Train the networks of Figure 3 from several starts, several at once: ``python scripts/gpu_reference.py``.

These are the trainings that F3a and F3b rest on, and wider ones; ``--only camvid_starts`` takes those of one study.
Each is a run of run.py in a process of its own, all on one device; what it prints is in its run folder. A checkpoint is
written after every epoch, so after the time is up the same command goes on. Settings hold for all:
``device=cuda:1 data_dir=PATH``, before ``--only``.

On one H200 with 16 CPU cores the 15 trainings of both data sets' studies took 13 minutes side by side, with CUDA's
multi-process service (``nvidia-cuda-mps-control -d``).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # experiments are not installed

from erf.errors import INTERRUPTED
from experiments.camvid import study as camvid
from experiments.cifar10 import study as cifar10
from experiments.harness.cli import exit_code, folder_of, jobs_of, main
from experiments.harness.override import sweep_overrides, value_text
from experiments.harness.run_folder import study_folder
from scripts.options import Number, Parser, filled_text

# The studies, and the same trainings as wide as the recorded ones, which are in no study yet.
SWEEPS = {
    "cifar10_starts": [sweep_overrides("cifar10_starts", sweep) for sweep in cifar10.sweeps(0)],
    "camvid_starts": [sweep_overrides("camvid_starts", sweep) for sweep in camvid.sweeps(0)],
    "camvid_starts_wide": [
        (*sweep_overrides("camvid_starts", sweep), f"widths={value_text(camvid.Config().widths)}")
        for sweep in camvid.sweeps(0)
    ],
    "cifar10_starts_wide": [
        (*sweep_overrides("cifar10_starts", sweep), f"width={cifar10.RECORDED}") for sweep in cifar10.sweeps(0)
    ],
}
OUTPUT = "output.txt"  # in the run folder


def gpu_reference(arguments: Sequence[str]) -> int:
    """Do what the command line ``arguments`` say and return the exit code: 130 where the time was up."""
    return exit_code(lambda: _train_all(_options(arguments)))


def _train_all(options: argparse.Namespace) -> int:
    jobs = {folder_of(job): job for name in options.only for job in jobs_of_study(name, options.settings)}
    codes = train_at_once(jobs, options.at_once, 60 * options.minutes)
    for folder in jobs:
        print(f"{codes[folder]:4}  {folder}")
    return max(map(abs, codes.values()))  # a signal that ended a process is a negative code


def jobs_of_study(name: str, settings: Sequence[str]) -> list[list[str]]:
    """Return the overrides of each training of ``name``, in the folders where a study looks for them."""
    sweeps = SWEEPS[name]
    folder = study_folder(name, name.partition("_")[0], sweeps)
    return [[*job, *settings, f"hydra.run.dir={folder}"] for sweep in sweeps for job in jobs_of(sweep)]


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser("gpu_reference.py", __doc__)
    parser.add_argument("--only", nargs="+", choices=SWEEPS, default=tuple(SWEEPS), help="studies (default: all)")
    parser.add_argument(
        "--minutes", type=Number(float, 0), default=11.5, help="after which all are stopped (default: 11.5)"
    )
    parser.add_argument("--at-once", type=Number(), default=3, help="trainings (default: 3)")
    parser.add_argument("settings", type=filled_text, nargs="*", metavar="KEY=VALUE", help="of all trainings")
    return parser.parse_intermixed_args(arguments)


def train_at_once(jobs: dict[Path, list[str]], at_once: int, seconds: float) -> dict[Path, int]:
    """Run ``jobs``, by their folders, so many ``at_once``; return exit codes, 130 of those that ``seconds`` cut off."""
    end, codes = time.monotonic() + seconds, dict.fromkeys(jobs, INTERRUPTED)
    waiting, running = list(jobs), dict[int, tuple[Path, BaseProcess]]()
    while waiting or running:
        while waiting and len(running) < at_once and time.monotonic() < end:
            folder = waiting.pop(0)
            process = get_context("spawn").Process(target=_train, args=(folder, jobs[folder]))
            process.start()
            running[process.sentinel] = folder, process
        ended = connection.wait(list(running), max(0, end - time.monotonic()))
        if not ended:
            break
        for sentinel in [one for one in running if one in ended]:
            folder, process = running.pop(sentinel)
            process.join()
            codes[folder] = process.exitcode or 0
    for _, process in running.values():
        process.terminate()
        process.join()
    return codes


def _train(folder: Path, job: Sequence[str]) -> None:
    """Be one training, whose output goes into a file of its ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / OUTPUT).open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.exit(main(list(job)))


if __name__ == "__main__":
    sys.exit(gpu_reference(sys.argv[1:]))
