"""The command line: Hydra composes the config and launches the jobs; help, folders and errors are ours."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import hydra
import msgspec
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from rich.console import Console

from erf.atomic_file import atomic_write
from erf.errors import InvalidInput
from experiments.harness.about import about
from experiments.harness.experiment import (
    CONF,
    Experiment,
    ExperimentConfig,
    experiment_names,
    load,
    run_names,
    scale_names,
)
from experiments.harness.figure_file import write_figure
from experiments.harness.help import USAGE, experiment_table, field_table, series_table
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
from experiments.harness.run_folder import known_data, locked, run_folder, sweep_folder
from experiments.harness.tensorboard_logbook import PARTIAL, TensorBoardLogbook

HYDRA = {"config_name": "config", "version_base": "1.3"}
HELP, SWEEP = {"-h", "--help"}, {"-m", "--multirun"}
OPTIONS = sorted(HELP | SWEEP | {"--cfg=job", "--cfg=hydra", "--cfg=all"})
USERS_ERRORS = (InvalidInput, OSError, HydraException, OmegaConfBaseException)
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class JobFailed(Exception):
    """A job of a sweep has failed and said why; the others go on."""


def main(arguments: Sequence[str]) -> int:
    """Run the command line ``arguments`` and return the exit code.

    What the user can mend becomes one line on stderr and exit code 1; Ctrl-C 130; bugs keep their traceback.
    """
    try:
        return _dispatch(list(arguments))
    except SystemExit as end:  # of a job
        return int(end.code or 0)
    except USERS_ERRORS as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED


def _dispatch(arguments: list[str]) -> int:
    given = set(arguments)
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    _check_options(given)
    _check_overrides(overrides)
    runs = _chosen_runs(overrides)
    _register_schemas()
    if not arguments or given & HELP:
        _show_help(runs)
    elif given & SWEEP:
        return _sweep(arguments, overrides)
    else:
        _run_hydra(arguments)
    return 0


def folder_of(overrides: Sequence[str]) -> Path:
    """Return the folder in which ``main(overrides)`` keeps its record."""
    with _composing() as compose:
        settings = compose(overrides=list(overrides), return_hydra_config=True)
    return run_folder(Path(settings.hydra.run.dir), overrides, config_of(overrides))


def config_of(overrides: Sequence[str]) -> ExperimentConfig:
    """Return the config of ``main(overrides)``."""
    with _composing() as compose:
        return _typed(compose(overrides=list(overrides)))


@contextmanager
def _composing() -> Iterator[Callable[..., DictConfig]]:
    _register_schemas()
    with hydra.initialize_config_dir(str(CONF), version_base=HYDRA["version_base"]):
        yield partial(hydra.compose, HYDRA["config_name"])


def jobs_of(sweep: Sequence[str]) -> list[list[str]]:
    """Return the overrides of each job that ``main(["-m", *sweep])`` runs."""
    parsed = OverridesParser.create().parse_overrides(list(sweep))
    return [list(job) for job in BasicSweeper.split_arguments(parsed, max_batch_size=None)[0]]


def _register_schemas() -> None:
    for name in experiment_names():
        ConfigStore.instance().store(group="schema", name=name, node=load(name).Config)


def _check_options(given: set[str]) -> None:
    for argument in given:
        if argument.startswith("-") and argument not in OPTIONS:
            raise InvalidInput(f"option {argument} is unknown; allowed: {', '.join(OPTIONS)}")


def _check_overrides(overrides: Sequence[str]) -> None:
    for override in overrides:
        key, equals, value = override.partition("=")
        if equals and not value.strip("'\""):
            raise InvalidInput(f"{key}= is empty; allowed is a value")


def _values(key: str, overrides: Sequence[str]) -> list[str]:
    return [override.partition("=")[2] for override in overrides if override.startswith(f"{key}=")]


def _chosen(key: str, overrides: Sequence[str]) -> list[str]:
    """Return the values of ``key``, those of a sweep one by one."""
    return [value for values in _values(key, overrides) for value in values.split(",")]


def _chosen_runs(overrides: Sequence[str]) -> list[str]:
    """Return the names that ``experiment=`` is given.

    Raises:
        InvalidInput: There is none, one of them is unknown, or it has no values of the scale chosen.
    """
    chosen, scales = _chosen("experiment", overrides), _chosen("scale", overrides)
    if overrides and not chosen:
        raise InvalidInput(f"experiment=NAME is missing; allowed names: {', '.join(run_names())}")
    allowed = {run: scale_names(run) for run in chosen}
    for run, scale in product(chosen, scales):
        if scale not in allowed[run]:
            raise InvalidInput(f"scale={scale} does not exist for {run}; allowed: {', '.join(allowed[run])}")
    return chosen


def _show_help(runs: Sequence[str]) -> None:
    console = _console()
    if not runs:
        console.print(USAGE, highlight=False)
        console.print(experiment_table([load(name) for name in experiment_names()]))
    for run in runs:
        experiment = load(run)
        with _composing() as compose:
            defaults = compose([f"experiment={run}"])
        console.print(field_table(experiment, run, defaults))
        console.print(series_table(about(experiment.name).series))


def _console() -> Console:
    """Return the terminal; a file or pipe gets lines long enough to be searched."""
    return Console(width=None if sys.stdout.isatty() else 140)


def _sweep(arguments: list[str], overrides: list[str]) -> int:
    """Run a sweep in a folder that the same command finds again; return the exit code."""
    code = 0
    given = _values("hydra.sweep.dir", overrides)
    folder = given[-1] if given else str(sweep_folder(_values("experiment", overrides)[-1], overrides))
    try:
        _run_hydra(arguments if given else [*arguments, f"hydra.sweep.dir='{folder}'"])
    except JobFailed:
        code = 1
    print(f"\nsweep         {folder}")
    print(f"its table     python scripts/gather_sweep.py {shlex.quote(folder)}", flush=True)
    return code


def _run_hydra(arguments: Sequence[str]) -> None:
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come back to main instead of being printed
    sys.argv[1:] = arguments  # where hydra.main reads them
    hydra.main(config_path=str(CONF), **HYDRA)(_job)()


def _job(composed: DictConfig) -> None:
    settings = HydraConfig.get()
    if settings.mode == RunMode.RUN:
        with _Errors("", SystemExit(1)):
            _measure_once(composed, Path(settings.run.dir))
    else:
        overrides = " ".join(settings.overrides.task)
        print(f"\njob {settings.job.num}: {overrides}", flush=True)
        with _Errors(f"{overrides}: ", JobFailed(overrides)):
            _measure_once(composed, Path(settings.sweep.dir))


class _Errors:
    """Prints what stopped a job where it happens, then raises ``end``.

    Of a sweep Hydra would show only the first error, at its end; of a run it would add lines of its own.
    """

    def __init__(self, prefix: str, end: BaseException) -> None:
        self._prefix, self._end = prefix, end

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception):
            return
        if not isinstance(error, USERS_ERRORS):
            traceback.print_exception(error)
        print(f"error: {self._prefix}{one_line(error)}", file=sys.stderr)
        raise self._end from error


def _measure_once(composed: DictConfig, parent: Path) -> None:
    """Measure what ``composed`` describes, unless its folder has a record; show the record."""
    config = _typed(composed)
    experiment = load(config.name)
    folder = run_folder(parent, HydraConfig.get().overrides.task, config)
    if _writes_nothing():
        if not is_complete(folder):
            with tempfile.TemporaryDirectory() as scratch:
                experiment.run(config, TensorBoardLogbook(Path(scratch)))
        return
    if is_complete(folder):
        _say_measured(folder, config)
    else:
        environment = Environment.now(config.device)
        with _gone_if_refused(folder), locked(folder):
            if not is_complete(folder):  # another process may have been faster
                _keep_composition(folder, composed)
                _measure(experiment, config, folder, environment)
    _show_record(experiment, folder)


def _say_measured(folder: Path, config: ExperimentConfig) -> None:
    print(f"already measured: {folder} (fresh=true measures again)")
    with naming_command(folder):
        recorded = recorded_data(folder)
    if recorded != known_data(config):
        print("its data could not be compared: the record names none, or data_dir holds none")


@contextmanager
def _gone_if_refused(folder: Path) -> Iterator[None]:
    """Remove a folder made for a run whose input turned out to be unusable before anything was measured."""
    new = not folder.exists()
    try:
        yield
    except InvalidInput:
        if new and folder.exists() and not (folder / PARTIAL).exists():
            shutil.rmtree(folder)
        raise


def _writes_nothing() -> bool:
    """Return whether torchrun has started this process beside another one, which writes what all have computed."""
    return os.environ.get("RANK", "0") != "0"


def _typed(composed: DictConfig) -> ExperimentConfig:
    config: Any = OmegaConf.to_object(composed)
    allowed = [known.name for known in fields(config)]
    for key in composed:
        if key not in allowed:  # added by +key=value, which Hydra allows, but nothing would read it
            raise InvalidInput(f"key {key!r} is unknown; allowed: {', '.join(allowed)}")
    return config


def _keep_composition(folder: Path, composed: DictConfig) -> None:
    """Write what Hydra writes into the folders that it makes itself."""
    settings: Any = HydraConfig.instance().cfg
    (folder / ".hydra").mkdir(exist_ok=True)
    parts = {"config": composed, "overrides": settings.hydra.overrides.task, "hydra": settings}
    for name, part in parts.items():
        path = folder / ".hydra" / f"{name}.yaml"
        if not path.exists():
            atomic_write(path, OmegaConf.to_yaml(part).encode())


def _measure(experiment: Experiment, config: ExperimentConfig, folder: Path, environment: Environment) -> None:
    start = time.monotonic()
    logbook = TensorBoardLogbook(folder, environment.commit or "unknown", environment.device)
    if kept := logbook.kept():
        print(f"going on: {kept} points are kept from before (to start anew, remove {folder / PARTIAL})")
    result = experiment.run(config, logbook)
    figures = {experiment.name: experiment.draw(result)} | {
        name: draw(result) for name, draw in experiment.others.items()
    }
    for name, figure in figures.items():
        logbook.figure("figure" if name == experiment.name else f"figure/{name}", figure, 0)
        write_figure(folder / name, figure)
    logbook.settings(msgspec.to_builtins(config), result.metrics())
    logbook.layout()
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
        _console().print(experiment.summary(read_record(folder, experiment.Result)))
    print(f"record        {folder / RESULT}{'' if is_checked(folder) else f' ({UNCHECKED})'}")
    print(f"figure        {folder / experiment.name}.png")
    print(f"TensorBoard   tensorboard --logdir {shlex.quote(str(folder))}", flush=True)


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
    return f"{removing} && python run.py {given} \"hydra.run.dir='{folder.parent}'\""


def one_line(error: Exception) -> str:
    """Return what is wrong in one line, in this program's words where Hydra's name no key."""
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename or 'output'}: {error.strerror}"
    elif isinstance(cause, ConfigAttributeError | ConfigKeyError):
        text = f"key {cause.full_key!r} is unknown; allowed: {', '.join(map(str, cause.parent_node or ()))}"
    elif isinstance(cause, OmegaConfBaseException):
        text = f"{cause.full_key}: {str(cause).splitlines()[0]}"
    return " ".join(text.split())
