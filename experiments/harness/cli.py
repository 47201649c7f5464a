"""The command line: Hydra composes the config and launches the jobs; help, folders and errors are ours.

What loads torch is imported where it is used, and experiments when they are chosen: a list, a help text and a misspelt
name then take no seconds, and an experiment that does not import breaks no other one.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

import erf.errors as errors
from erf.errors import InvalidInput, escape_what_cannot_be_encoded, is_out_of_memory, without_room
from experiments.harness.about import about
from experiments.harness.arguments import HELP, Arguments
from experiments.harness.experiment import CONF, ExperimentConfig, experiment_names, load
from experiments.harness.help import (
    USAGE,
    experiment_table,
    field_table,
    series_table,
    terminal,
    variant_table,
    variants,
)
from experiments.harness.override import quoted
from experiments.harness.parent import end_with_parent

if TYPE_CHECKING:
    from experiments.harness.sweep import Job

HYDRA = {"config_name": "config", "version_base": "1.3"}
RETURN_VALUE: Any = JobReturn.return_value
USERS_ERRORS = (InvalidInput, OSError, HydraException, OmegaConfBaseException)


class JobFailed(Exception):
    """A job of a sweep has failed and said why; the others go on."""


def main(arguments: Sequence[str]) -> int:
    """Run the command line ``arguments`` and return the exit code.

    What the user can mend becomes one line on stderr and exit code 1; Ctrl-C 130; bugs keep their traceback.
    """
    return exit_code(lambda: _dispatch(Arguments.of(arguments)))


def exit_code(command: Callable[[], int]) -> int:
    """Return the exit code of a command that runs experiments; see :func:`erf.errors.exit_code`."""
    interrupted = "interrupted; the same command goes on from here"
    return errors.exit_code(command, users_errors=USERS_ERRORS, interrupted=interrupted, words=one_line)


def _dispatch(given: Arguments) -> int:
    _prepare_hydra(given.runs)
    if HELP & {*given.options} or not (given.options or given.overrides):
        _show_help(given.runs)
    elif given.is_sweep:
        return _sweep(given)
    else:
        return _run(given)
    return 0


def folder_of(overrides: Sequence[str]) -> Path:
    """Return the folder in which ``main(overrides)`` keeps its record."""
    from experiments.harness.run_folder import run_folder

    with _composing(overrides) as compose:
        composed = compose(overrides=list(overrides), return_hydra_config=True)
    parent = Path(composed.hydra.run.dir)
    with open_dict(composed):
        del composed["hydra"]
    return run_folder(parent, overrides, _typed(composed))


def config_of(overrides: Sequence[str]) -> ExperimentConfig:
    """Return the config of ``main(overrides)``."""
    with _composing(overrides) as compose:
        return _typed(compose(overrides=list(overrides)))


@contextmanager
def _composing(overrides: Sequence[str]) -> Iterator[Callable[..., DictConfig]]:
    _prepare_hydra(Arguments.of(overrides).runs)
    with hydra.initialize_config_dir(str(CONF), version_base=HYDRA["version_base"]):
        yield partial(hydra.compose, HYDRA["config_name"])


def jobs_of(sweep: Sequence[str]) -> list[list[str]]:
    """Return the overrides of each job that ``main(["-m", *sweep])`` runs."""
    parsed = OverridesParser.create().parse_overrides(list(sweep))
    return [list(job) for job in BasicSweeper.split_arguments(parsed, max_batch_size=None)[0]]


def _prepare_hydra(runs: Sequence[str]) -> None:
    # Our settings of a launcher have its plugin's name, so that they go over the plugin's: Hydra warns of it each time.
    warnings.filterwarnings("ignore", r"\n'hydra/launcher/\w+' is validated against ConfigStore schema")
    for experiment in map(load, runs):
        _register(experiment.name, experiment.Config)


@cache
def _register(name: str, config: type) -> None:
    ConfigStore.instance().store(group="schema", name=name, node=config)


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


def _sweep(given: Arguments) -> int:
    """Run a sweep in a folder that the same command finds again; return the exit code."""
    from experiments.harness.event_file import board_of
    from experiments.harness.run_folder import sweep_folder
    from experiments.harness.sweep import VARIABLE, Sweep

    _require_one(jobs_of(given.overrides))
    code = 0
    folders = given.values("hydra.sweep.dir")
    folder = str(folders[-1] if folders else sweep_folder(",".join(given.runs), given.overrides))
    jobs = jobs_of(given.overrides)
    sweep = Sweep.start(jobs, _measured(jobs, Path(folder)), alone=not folders)
    print(sweep.headline, flush=True)
    is_new = not Path(folder).exists()
    told = [quoted("hydra.sweep.dir", folder), quoted(f"++hydra.job.env_set.{VARIABLE}", sweep.variable)]
    try:
        _run_hydra([*given.options, *given.overrides, *told])
    except JobFailed:
        code = 1
    if code and is_new and not _is_begun(Path(folder)):
        shutil.rmtree(folder)
        return code
    print(f"sweep         {folder}")
    print(f"its table     python scripts/gather_sweep.py {shlex.quote(folder)}")
    print(f"TensorBoard   tensorboard --logdir {shlex.quote(str(board_of(Path(folder))))}", flush=True)
    return code


def _is_begun(folder: Path) -> bool:
    """Return whether a job has left something in a sweep's folder, beside what Hydra writes first."""
    return any(path.is_file() and path.name != "multirun.yaml" for path in folder.rglob("*"))


def _require_one(jobs: Sequence[Sequence[str]]) -> None:
    """Raise the first job's error where no job of a sweep can begin; a single one that cannot stops no other."""
    refusals = []
    for job in jobs:
        try:
            config_of(job)
        except USERS_ERRORS as error:
            refusals.append(error)
        else:
            return
    raise refusals[0]


def _run(given: Arguments) -> int:
    try:
        _run_hydra([*given.options, *given.overrides])
    except SystemExit as end:  # of a job that has said why
        return int(end.code or 0)
    return 0


def _measured(jobs: Sequence[Sequence[str]], folder: Path) -> int:
    """Return how many of the jobs have a record in ``folder``; what is wrong with one is said when it runs."""
    from experiments.harness.record import is_complete
    from experiments.harness.run_folder import run_folder

    if not folder.exists():
        return 0
    count = 0
    with _composing(jobs[0]) as compose:
        for job in jobs:
            with suppress(*USERS_ERRORS):
                count += is_complete(run_folder(folder, job, _typed(compose(overrides=list(job)))))
    return count


def _run_hydra(arguments: Sequence[str]) -> None:
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come back to main instead of being printed
    sys.argv[1:] = arguments  # where hydra.main reads them
    setattr(JobReturn, "return_value", RETURN_VALUE.getter(_return_value))  # noqa: B010  # not seen by type checkers
    # Each composes everything once more: to find that there is a sweep, which -m says, and that each job can begin.
    Hydra.get_mode = Sweeper.validate_batch_is_legal = lambda *_, **__: None
    hydra.main(config_path=str(CONF), **HYDRA)(_job)()


def _return_value(returned: JobReturn) -> Any:
    """Return a job's value or raise its error, as Hydra does, which writes a line of its own before any error."""
    if isinstance(returned._return_value, JobFailed):
        raise returned._return_value
    return RETURN_VALUE.fget(returned)


def _job(composed: DictConfig) -> None:
    escape_what_cannot_be_encoded()  # a sweep's process has streams of its own
    settings = HydraConfig.get()
    if settings.mode == RunMode.RUN:
        with _saying_errors("", SystemExit(1)):
            _measure(composed, Path(settings.run.dir))
    else:
        from experiments.harness.sweep import Job, Sweep

        end_with_parent()
        job = Job(Sweep.running(), settings.job.num, tuple(settings.overrides.task))
        with _saying_errors(f"{job}: ", JobFailed(str(job))):
            _measure(composed, Path(settings.sweep.dir), job)


def _measure(composed: DictConfig, parent: Path, job: Job | None = None) -> None:
    from experiments.harness.job import measure_once

    settings: Any = HydraConfig.instance().cfg
    overrides = settings.hydra.overrides.task
    parts = {"config": composed, "overrides": overrides, "hydra": settings}
    texts = {name: OmegaConf.to_yaml(part) for name, part in parts.items()}
    measure_once(_typed(composed), parent, overrides, texts, job)


@contextmanager
def _saying_errors(prefix: str, end: BaseException) -> Iterator[None]:
    """Print what stops a job where it happens, then raise ``end``.

    Of a sweep Hydra would show only the first error, at its end; of a run it would add lines of its own.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, USERS_ERRORS) and not is_out_of_memory(error):
            traceback.print_exception(error)
        print(f"error: {prefix}{without_room(error) or one_line(error)}", file=sys.stderr)
        raise end from error


def _typed(composed: DictConfig) -> ExperimentConfig:
    return OmegaConf.to_object(composed)  # pyright: ignore[reportReturnType]  # the schema's dataclass


def one_line(error: Exception) -> str:
    """Return what is wrong in one line, in this program's words where Hydra's name no key."""
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    text = errors.one_line(error)
    if isinstance(cause, ConfigAttributeError | ConfigKeyError):
        text = f"key {cause.full_key!r} is unknown; allowed: {', '.join(map(str, cause.parent_node or ()))}"
    elif isinstance(cause, OmegaConfBaseException):
        text = f"{cause.full_key}: {str(cause).splitlines()[0]}"
    return " ".join(text.split())
