"""What is typed after run.py, options and overrides: read and checked before Hydra composes anything."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from itertools import islice, product
from math import prod
from typing import Any, get_type_hints

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException

from erf.errors import InvalidInput
from experiments.harness.experiment import load, run_names, scale_names, unknown
from experiments.harness.override import quoted
from experiments.harness.value_type import is_of_type, type_in_words

HELP, SWEEP = {"-h", "--help"}, {"-m", "--multirun"}
OPTIONS = sorted(HELP | SWEEP | {"--cfg=job", "--cfg=hydra", "--cfg=all"})
# The package of each launcher and the extra that installs it; Hydra's own needs none.
LAUNCHERS = {"basic": ("hydra-core", "experiments"), "joblib": ("hydra-joblib-launcher", "joblib")}
LAUNCHERS |= {"ray": ("hydra-ray-launcher", "ray")}
LAUNCHERS |= dict.fromkeys(["submitit_local", "submitit_slurm"], ("hydra-submitit-launcher", "slurm"))
MOST_JOBS = 100_000  # of a sweep


@dataclass(frozen=True)
class Setting:
    """One override: what it sets, its values (several in a sweep), and how it is typed."""

    key: str
    values: tuple[Any, ...]
    is_sweep: bool
    replaces: bool  # what is there, as opposed to + and ~, which add a key and take one away
    text: str

    @classmethod
    def of(cls, text: str) -> Setting:
        """Return the override ``text``, read by Hydra's grammar.

        Raises:
            InvalidInput: It is no ``key=value``, its value needs quotes or is empty, or its sweep has no value.
        """
        key, equals, value = text.partition("=")
        if equals and not key:
            raise InvalidInput(f"{text!r} cannot be read; allowed is KEY=VALUE")
        if equals and not value.strip("'\" "):
            raise InvalidInput(f"{key}= is empty; allowed is a value")
        read = _parsed(text)
        values = tuple(islice(_values(read), MOST_JOBS + 1))
        if not values:
            raise InvalidInput(f"{text} is a sweep without values; allowed is one or more")
        replaces = read.type in (OverrideType.CHANGE, OverrideType.FORCE_ADD)
        return cls(read.key_or_group, values, read.is_sweep_override(), replaces, text)


def _parsed(text: str) -> Override:
    parse = OverridesParser.create().parse_override
    try:
        return parse(text)
    except HydraException:
        key, equals, value = text.partition("=")
    if value[:1] in ("[", "{", "(") and equals:
        raise InvalidInput(f"{text}: its brackets, or what is in them, cannot be read; allowed is a list: {key}=[1,2]")
    try:
        parse(candidate := quoted(key, value))
    except HydraException:
        raise InvalidInput(f"{text!r} cannot be read; allowed is KEY=VALUE") from None
    if not equals:
        raise InvalidInput(f"{text!r} cannot be read; allowed is KEY=VALUE")
    raise InvalidInput(f"{text} needs quotes within those of the shell: {shlex.quote(candidate)}")


def _values(read: Override) -> Iterator[Any]:
    if read.is_sweep_override():
        return map(read._convert_value, read.sweep_iterator())
    return iter([read.value()])


@dataclass(frozen=True)
class Arguments:
    """The command line, read: its options, its overrides as they are typed, and what they set."""

    options: tuple[str, ...]
    overrides: tuple[str, ...]
    settings: tuple[Setting, ...]

    @classmethod
    def of(cls, arguments: Sequence[str]) -> Arguments:
        """Return the command line ``arguments``.

        Raises:
            InvalidInput: An option is unknown, an override cannot be read, no experiment is named, or one of its
                settings or its scale is unknown or not of its type.
        """
        options = tuple(argument for argument in arguments if argument.startswith("-"))
        overrides = tuple(argument for argument in arguments if not argument.startswith("-"))
        for option in options:
            if option not in OPTIONS:
                raise unknown(f"option {option}", option, OPTIONS)
        if (overrides or SWEEP & {*options}) and not any(text.startswith("experiment=") for text in overrides):
            raise InvalidInput(f"experiment=NAME is missing; allowed names: {', '.join(run_names())}")
        given = cls(options, overrides, tuple(map(Setting.of, overrides)))
        given._require_runs()
        given._require_sweep()
        given._require_launcher()
        for setting, run in product(given.settings, given.runs):
            _require_type(setting, run)
        return given

    def values(self, key: str) -> list[Any]:
        """Return the values that ``key`` is given, those of a sweep one by one."""
        return [value for setting in self.settings if setting.key == key for value in setting.values]

    @property
    def runs(self) -> list[str]:
        """The names that ``experiment=`` is given."""
        return self.values("experiment")

    @property
    def is_sweep(self) -> bool:
        """Whether -m is among the options."""
        return bool(SWEEP & {*self.options})

    def _require_runs(self) -> None:
        for key in ("experiment", "scale", "hydra/launcher"):
            if len([setting for setting in self.settings if setting.key == key]) > 1:
                raise InvalidInput(f"{key}= is given twice; allowed is once, in a sweep with several values")
        allowed = {str(run): scale_names(str(run)) for run in self.runs}
        for run, scale in product(allowed, self.values("scale")):
            if (typed := "null" if scale is None else scale) not in allowed[run]:
                raise InvalidInput(f"scale={typed} does not exist for {run}; allowed: {', '.join(allowed[run])}")

    def _require_sweep(self) -> None:
        for setting in self.settings:
            if setting.is_sweep and not self.is_sweep:
                raise InvalidInput(
                    f"{setting.text}: several values are a sweep, which needs -m (--multirun); a list is in brackets"
                )
        if prod(len(setting.values) for setting in self.settings) > MOST_JOBS:
            raise InvalidInput(f"the sweep has too many jobs; allowed are up to {MOST_JOBS}")

    def _require_launcher(self) -> None:
        for name in self.values("hydra/launcher"):
            if name not in LAUNCHERS:
                raise unknown(f"hydra/launcher={name}", str(name), list(LAUNCHERS))
            package, extra = LAUNCHERS[name]
            if not any(distributions(name=package)):
                raise InvalidInput(
                    f"hydra/launcher={name}: {package} is not installed; this does: pip install -e '.[{extra}]'"
                )
        cores = os.cpu_count() or 1
        for jobs in self.values("hydra.launcher.n_jobs"):
            if type(jobs) is not int or not (jobs == -1 or 1 <= jobs <= cores):
                raise InvalidInput(f"hydra.launcher.n_jobs={jobs}: allowed here are 1 to {cores}, or -1 for all cores")


def _require_type(setting: Setting, run: str) -> None:
    """Raise InvalidInput unless the run's experiment has such a setting and each value is of its type."""
    if setting.key in ("experiment", "scale", "hydra/launcher") or setting.key.startswith("hydra."):
        return
    types = get_type_hints(load(run).Config)
    if setting.key not in types:
        raise unknown(f"key {setting.key!r}", setting.key, list(types))
    if not setting.replaces:
        raise InvalidInput(f"{setting.text}: allowed is {setting.key}=VALUE, without a sign before it")
    for value in setting.values:
        if not is_of_type(value, types[setting.key]):
            raise InvalidInput(f"{setting.text}: allowed is {type_in_words(types[setting.key])}")
