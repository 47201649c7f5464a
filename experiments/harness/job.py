"""One job: a config is measured into its folder, unless there is a record of it, and the record is shown."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
from omegaconf import OmegaConf

from erf.errors import InvalidInput, is_out_of_memory
from erf.files.atomic_file import atomic_write
from experiments.harness.event_file import board_of, events_folder
from experiments.harness.experiment import Experiment, ExperimentConfig, load
from experiments.harness.figure_file import write_figure
from experiments.harness.help import terminal
from experiments.harness.override import given_values, quoted
from experiments.harness.record import (
    RESULT,
    UNCHECKED,
    Environment,
    is_checked,
    is_complete,
    read_record,
    recorded_data,
    write_record,
)
from experiments.harness.run_folder import LOCK, chosen_overrides, known_data, locked, run_folder, run_name
from experiments.harness.sweep import Job
from experiments.harness.tensorboard_logbook import PARTIAL, VERSIONS, TensorBoardLogbook

PATIENCE = 3.0  # seconds: the workers of a sweep that was killed end within one or two


def measure_once(
    config: ExperimentConfig,
    parent: Path,
    overrides: Sequence[str],
    parts: Mapping[str, str],
    job: Job | None = None,
) -> None:
    """Measure ``config``, unless its folder in ``parent`` has a record; show the record, or of a sweep's job one line.

    Args:
        config: What is measured.
        parent: Of the folder, which is named by ``overrides`` and by the config.
        overrides: The job's own.
        parts: YAML by the name of its file: what the config was composed of, as Hydra keeps it.
        job: The sweep's, if it is one.
    """
    experiment = load(config.name)
    config.require_possible()
    folder = run_folder(parent, overrides, config)
    if os.environ.get("RANK", "0") != "0":  # torchrun started it beside another one, which writes what all computed
        if not is_complete(folder):
            with tempfile.TemporaryDirectory() as scratch:
                experiment.run(config, TensorBoardLogbook(Path(scratch)))
        return
    if is_complete(folder):
        _tidy(folder)
        _say_measured(folder, config, job)
    else:
        if job:
            print(f"{job}{job.time_left(parent)}", flush=True)
        environment = Environment.now(config.device)
        with _gone_if_refused(folder), locked(folder, PATIENCE):
            if not is_complete(folder):  # another process may have been faster
                _keep_composition(folder, parts)
                _measure(experiment, config, folder, environment, job.telling_apart if job else overrides)
    if not job:
        _show_record(experiment, folder)


def _tidy(folder: Path) -> None:
    """Remove what a run that was killed behind its record left: the lock, and what it kept to go on."""
    if (folder / LOCK).exists():
        with suppress(InvalidInput, OSError), locked(folder):  # another process may be at its end
            shutil.rmtree(folder / PARTIAL, ignore_errors=True)


def _say_measured(folder: Path, config: ExperimentConfig, job: Job | None) -> None:
    with naming_command(folder):
        recorded = recorded_data(folder)
        if job:
            read_record(folder, load(config.name).Result)
            print(f"{job}, measured already{'' if is_checked(folder) else f' ({UNCHECKED})'}", flush=True)
        else:
            print(f"already measured: {folder} (fresh=true measures again)")
    if recorded != known_data(config):
        print("its data could not be compared: the record names none, or data_dir holds none")


@contextmanager
def _gone_if_refused(folder: Path) -> Iterator[None]:
    """Remove a folder made for a run that its input, a file, or want of memory stopped.

    What a full disk or memory stopped goes on later, once something is kept of it. Settings that are refused are
    refused again: only a training's checkpoints, from before it diverged, are of use.
    """
    new = not folder.exists()
    try:
        yield
    except Exception as error:  # what asks for memory raises almost anything
        if not isinstance(error, InvalidInput | OSError) and not is_out_of_memory(error):
            raise
        useful = folder / PARTIAL / ("training" if isinstance(error, InvalidInput) else "")
        if new and folder.exists() and not _holds_any(useful):
            shutil.rmtree(folder)
        raise


def _holds_any(folder: Path) -> bool:
    """Return whether something is kept there of what was measured, or of a training."""
    return any(path.is_file() and path.name != VERSIONS for path in folder.rglob("*"))


def _keep_composition(folder: Path, parts: Mapping[str, str]) -> None:
    """Write what Hydra writes into the folders that it makes itself."""
    (folder / ".hydra").mkdir(exist_ok=True)
    for name, text in parts.items():
        path = folder / ".hydra" / f"{name}.yaml"
        if not path.exists():
            atomic_write(path, text.encode())


def _measure(
    experiment: Experiment,
    config: ExperimentConfig,
    folder: Path,
    environment: Environment,
    overrides: Sequence[str],
) -> None:
    start, others = time.monotonic(), experiment.others  # a fault in what draws shows before anything is measured
    events = partial(events_folder, folder, run_name(overrides, config.name))
    version = environment.commit or "unknown"
    logbook = TensorBoardLogbook(folder, version, environment.device, experiment.name, events)
    if points := logbook.kept():
        print(f"going on: {points} points are kept from before (to start anew, remove {folder / PARTIAL})")
    result = experiment.run(config, logbook)
    figures = {experiment.name: experiment.draw(result)} | {name: draw(result) for name, draw in others.items()}
    for name, figure in figures.items():
        write_figure(folder / name, figure)  # first, as drawing moves parts a little: files can be made again
        logbook.figure("figure" if name == experiment.name else f"figure/{name}", figure, 0)
    logbook.conclude(
        msgspec.to_builtins(config), result.metrics(), given_values(chosen_overrides(overrides, config.name))
    )
    write_record(
        folder,
        result,
        replace(
            environment,
            seconds=time.monotonic() - start,
            earlier_commits=logbook.earlier_versions(),
            earlier_devices=logbook.earlier_devices(),
        ),
    )
    logbook.discard_partial()


def _show_record(experiment: Experiment, folder: Path) -> None:
    with naming_command(folder):
        terminal().print(experiment.summary(read_record(folder, experiment.Result)))
    print(f"record        {folder / RESULT}{'' if is_checked(folder) else f' ({UNCHECKED})'}")
    print(f"figure        {folder / experiment.name}.png")
    print(f"TensorBoard   tensorboard --logdir {shlex.quote(str(board_of(folder.parent)))}", flush=True)


@contextmanager
def naming_command(folder: Path) -> Iterator[None]:
    """Let an InvalidInput about the record in ``folder`` end with the command that measures it again."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"{error}; to measure it again: {_measuring_again(folder)}") from error


def _measuring_again(folder: Path) -> str:
    overrides, removing = folder / ".hydra" / "overrides.yaml", f"rm {shlex.quote(str(folder / RESULT))}"
    if not overrides.exists():
        return f"{removing}, and the command that wrote it"
    given = shlex.join(OmegaConf.load(overrides))  # pyright: ignore[reportArgumentType]  # a list of texts
    return f"{removing} && python run.py {given} {shlex.quote(quoted('hydra.run.dir', str(folder.parent)))}"
