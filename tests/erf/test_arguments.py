"""What every public function refuses, by the table in public_calls."""

import enum
import inspect
import pkgutil
import re
import sys
from functools import reduce
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import erf
from erf import InvalidInput
from erf.arguments import shown
from tests.erf.public_calls import CALLS

# What users import, and of the other modules those that the documentation names.
MODULES = ["erf.theory", "erf.inits", "erf.compatibility", "erf.training", "erf.plotting", "erf.pictures", "erf.noise"]
MODULES += ["erf.stack_influence", "erf.sharding", "erf.batch_norm", "erf.grid_average", "erf.normal_distance"]
MODULES += ["erf.erf_size", "erf.gaussian_fit", "erf.influence_map", "erf.device", "erf.seeds"]
READERS_OF_FILES = {"erf.data.image_files", "erf.data.problems"}  # internal to erf.data
for package in ("erf.networks", "erf.data"):
    inside = pkgutil.walk_packages(import_module(package).__path__, f"{package}.")
    MODULES += [each.name for each in inside if each.name not in READERS_OF_FILES]

# Without an argument that could be bad, or no functions at all.
WITHOUT_A_ROW = {"erf.device.available_devices", "erf.device.full_float32", "erf.device.is_out_of_memory"}
# Steps of a function that checks what it is given.
WITHOUT_A_ROW |= {"erf.grid_average.moving_mean", "erf.normal_distance.line_distance"}
WITHOUT_A_ROW |= {"erf.training.Diverged", "erf.training.Batches", "erf.errors.InvalidInput"}

REFUSED = [(name, argument) for name, call in CALLS.items() for argument in call.refused]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def public_names(module: ModuleType) -> set[str]:
    """Return the names of the functions and classes that ``module`` defines; enumerations take no arguments."""
    own = {name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
    chosen = {name for name in own if inspect.isfunction(vars(module)[name]) or inspect.isclass(vars(module)[name])}
    enums = {name for name in chosen if isinstance(vars(module)[name], enum.EnumMeta)}
    return {f"{module.__name__}.{name}" for name in chosen - enums if not name.startswith("_")}


def functions_without_a_row(rows: set[str]) -> set[str]:
    public = set().union(*(public_names(import_module(name)) for name in MODULES))
    exported = [getattr(erf, name) for name in erf.__all__]
    public |= {f"{each.__module__}.{each.__name__}" for each in exported if not isinstance(each, ModuleType)}
    return public - rows - WITHOUT_A_ROW


def test_every_public_function_has_a_row():
    assert not functions_without_a_row(set(CALLS))
    for removed in ("erf.influence.influence", "erf.theory.variance", "erf.networks.plain_cnn.PlainCnn"):
        assert functions_without_a_row(set(CALLS) - {removed}) == {removed}


def resolved(name: str) -> Any:
    """Return the function, class or method called ``name``."""
    module = max((each for each in sys.modules if name.startswith(f"{each}.")), key=len)
    return reduce(getattr, name.removeprefix(f"{module}.").split("."), sys.modules[module])


@pytest.mark.parametrize("name", CALLS)
def test_every_argument_has_an_entry(name):
    arguments = set(inspect.signature(resolved(name)).parameters) - {"self"}
    assert arguments == {*CALLS[name].refused, *CALLS[name].free.split()}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_allowed_is_accepted(name):
    call = CALLS[name]
    call.function(**call.valid())


@pytest.mark.parametrize(("name", "argument"), REFUSED)
def test_what_is_not_allowed_is_one_line_that_names_it(name, argument):
    call, kind = CALLS[name], CALLS[name].refused[argument]
    words = kind.words.format(name=argument) if kind.words else argument
    for value in kind.values:
        with pytest.raises(InvalidInput) as caught:
            pytest.fail(f"{shown(value)} is accepted: {call.function(**call.valid() | {argument: value})}")
        assert re.fullmatch(f".*({words}).*", str(caught.value)), str(caught.value)  # . is no line's end
