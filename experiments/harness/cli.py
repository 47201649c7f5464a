"""The command line: Hydra composes the config and launches the jobs; help, folders and errors are ours.

What loads torch is imported where it is used, and experiments when they are chosen: a list, a help text and a misspelt
name then take no seconds, and an experiment that does not import breaks no other one.
"""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from erf.errors import InvalidInput
from experiments.harness.about import about
from experiments.harness.experiment import (
    CONF,
    ExperimentConfig,
    experiment_names,
    load,
    run_names,
    scale_names,
)
from experiments.harness.help import (
    USAGE,
    experiment_table,
    field_table,
    series_table,
    terminal,
    variant_table,
    variants,
)

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
    _register_schemas(runs)
    if not arguments or given & HELP:
        _show_help(runs)
    elif given & SWEEP:
        return _sweep(arguments, overrides)
    else:
        _run_hydra(arguments)
    return 0


def folder_of(overrides: Sequence[str]) -> Path:
    """Return the folder in which ``main(overrides)`` keeps its record."""
    from experiments.harness.run_folder import run_folder

    with _composing(overrides) as compose:
        settings = compose(overrides=list(overrides), return_hydra_config=True)
    return run_folder(Path(settings.hydra.run.dir), overrides, config_of(overrides))


def config_of(overrides: Sequence[str]) -> ExperimentConfig:
    """Return the config of ``main(overrides)``."""
    with _composing(overrides) as compose:
        return _typed(compose(overrides=list(overrides)))


@contextmanager
def _composing(overrides: Sequence[str]) -> Iterator[Callable[..., DictConfig]]:
    _register_schemas(_chosen("experiment", overrides))
    with hydra.initialize_config_dir(str(CONF), version_base=HYDRA["version_base"]):
        yield partial(hydra.compose, HYDRA["config_name"])


def jobs_of(sweep: Sequence[str]) -> list[list[str]]:
    """Return the overrides of each job that ``main(["-m", *sweep])`` runs."""
    parsed = OverridesParser.create().parse_overrides(list(sweep))
    return [list(job) for job in BasicSweeper.split_arguments(parsed, max_batch_size=None)[0]]


def _register_schemas(runs: Sequence[str]) -> None:
    for experiment in map(load, runs):
        ConfigStore.instance().store(group="schema", name=experiment.name, node=experiment.Config)


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
    console = terminal()
    if not runs:
        console.print(USAGE, highlight=False)
        console.print(experiment_table(experiment_names()))
        console.print(variant_table(variants(experiment_names())))
    for run in runs:
        experiment, chosen = load(run), [f"experiment={run}"]
        with _composing(chosen) as compose:
            defaults = compose(chosen)
        console.print(field_table(experiment, run, defaults))
        console.print(series_table(about(experiment.name).series))
        if named := variants([run]):
            console.print(variant_table(named))


def _sweep(arguments: list[str], overrides: list[str]) -> int:
    """Run a sweep in a folder that the same command finds again; return the exit code."""
    from experiments.harness.run_folder import sweep_folder

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
            _measure(composed, Path(settings.run.dir))
    else:
        overrides = " ".join(settings.overrides.task)
        print(f"\njob {settings.job.num}: {overrides}", flush=True)
        with _Errors(f"{overrides}: ", JobFailed(overrides)):
            _measure(composed, Path(settings.sweep.dir))


def _measure(composed: DictConfig, parent: Path) -> None:
    from experiments.harness.job import measure_once

    settings: Any = HydraConfig.instance().cfg
    overrides = settings.hydra.overrides.task
    parts = {"config": composed, "overrides": overrides, "hydra": settings}
    texts = {name: OmegaConf.to_yaml(part) for name, part in parts.items()}
    measure_once(_typed(composed), parent, overrides, texts)


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


def _typed(composed: DictConfig) -> ExperimentConfig:
    config: Any = OmegaConf.to_object(composed)
    allowed = [known.name for known in fields(config)]
    for key in composed:
        if key not in allowed:  # added by +key=value, which Hydra allows, but nothing would read it
            raise InvalidInput(f"key {key!r} is unknown; allowed: {', '.join(allowed)}")
    return config


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
