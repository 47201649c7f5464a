"""Bad values, drawn for every argument of every public function: one clear line, whatever they are."""

import inspect
import typing
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike
from torch import Tensor

from erf import InvalidInput
from erf.arguments import shown
from tests.campaign.bad_values import all_values, fits
from tests.campaign.in_process import SECONDS, TooSlow, at_most, require_a_thousand, tallied
from tests.erf.arguments.test_arguments import resolved
from tests.erf.public_calls import CALLS
from tests.erf.public_calls.refused_values import FINITE, SHARE, WHOLE, WHOLE_0

EXPECTED = ("clean", "allowed", "long")
LONGEST_LINE = 2000  # characters
# What functions return, made by them alone: of a comparison only what the table refuses is drawn.
RETURNED = {"erf.agreement.Agreement", "erf.reachability.tiles.Halo", "erf.reachability.receptive_field.ReceptiveField"}
COMPARISON = "erf.metrics.comparison.Comparison"
# Given the network only later, when all three are checked; passed on to the caller's own functions.
UNCHECKED = {("erf.training.erf_during_training.ErfTracker", argument) for argument in ("layer", "unit", "aggregation")}
UNCHECKED |= {("erf.training.processes.launch", "arguments")}
UNCHECKED |= {("erf.training.loop.training_step", argument) for argument in ("images", "targets")}
ARGUMENTS = [
    (name, argument)
    for name, call in CALLS.items()
    for argument in [*call.refused, *(() if name == COMPARISON else call.free.split())]
    if name not in RETURNED and (name, argument) not in UNCHECKED
]
# Whatever numpy reads as an array.
ARRAY_LIKE = np.ndarray | Tensor | Sequence
ARRAYS = {(f"erf.networks.{name}", "profile") for name in ("conv_stack.ConvStack", "sparse_convolution.SparseStack")}
ARRAYS |= {("erf.data.pictures.Pictures", argument) for argument in ("mean", "std")}
ARRAYS |= {("erf.data.split.Normalization", argument) for argument in ("mean", "std")}
ARRAYS |= {(f"erf.compatibility.replknet_{name}", "contributions") for name in ("scores", "area_ratio")}
VALUES = all_values()
# What a kind of the table allows beside the type; NaN fits no comparison.
RANGES = {
    id(WHOLE): lambda value: value >= 1,
    id(WHOLE_0): lambda value: value >= 0,
    id(SHARE): lambda value: 0 < value <= 1,
    id(FINITE): lambda value: value is None or abs(value) < np.inf,
}


@dataclass(frozen=True)
class Draw:
    """A call of a public function with one bad value."""

    name: str
    argument: str
    value: Any

    def __str__(self) -> str:
        try:
            return f"{self.name}({self.argument}={shown(self.value)})"
        except RuntimeError:
            return f"{self.name}({self.argument}={type(self.value).__name__})"

    def is_allowed(self) -> bool:
        """Return whether the value is of the annotated type, and in the range of its kind."""
        in_range = RANGES.get(id(CALLS[self.name].refused.get(self.argument)), lambda _: True)
        annotation = annotations(self.name).get(self.argument, Any)
        if annotation in (np.ndarray, ArrayLike, ArrayLike | None) or (self.name, self.argument) in ARRAYS:
            is_array = isinstance(self.value, np.ndarray | Tensor | Sequence) and not isinstance(
                self.value, str | bytes
            )
            return is_array or fits(self.value, annotation)
        return fits(self.value, annotation) and bool(in_range(self.value))


@cache
def annotations(name: str) -> dict[str, Any]:
    function = resolved(name)
    if inspect.isclass(function):
        function = function.__init__
    try:
        return typing.get_type_hints(function)
    except NameError:  # of what is imported for type checkers alone
        return {}


def files() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in Path().rglob("*")}


def outcome(draw: Draw) -> tuple[str, str]:
    """Return a word for how the call ends, and what is said."""
    call = CALLS[draw.name]
    arguments, more = call.valid() | {draw.argument: draw.value}, ()
    if inspect.signature(resolved(draw.name)).parameters[draw.argument].kind is inspect.Parameter.VAR_POSITIONAL:
        more = (*(value for name, value in arguments.items() if name != draw.argument), arguments[draw.argument])
        arguments = {}
    before = files()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ending = _ending(draw, lambda: call.function(*more, **arguments))
    if ending[0] not in EXPECTED:
        return ending
    of_libraries = [str(each.message) for each in caught if "site-packages" in each.filename]
    if of_libraries:
        return "warning", of_libraries[0]
    if ending[0] == "clean" and files() != before:
        return "written", str(set(files()) ^ set(before))
    return ending


def _ending(draw: Draw, call: Any) -> tuple[str, str]:
    try:
        with at_most(SECONDS):
            call()
    except InvalidInput as error:
        text = str(error)
        is_clear = text.strip() and len(text.splitlines()) == 1 and len(text) <= LONGEST_LINE
        return "clean" if is_clear else "unclear", text
    except TooSlow:
        # A million samples may be asked for.
        return "long" if draw.is_allowed() else "slow", f"over {SECONDS} s"
    except BaseException as error:
        is_own = callable(draw.value) and draw.argument != "network"
        if is_own and draw.is_allowed():  # a fault of the function that was given
            return "allowed", ""
        return "other exception", f"{type(error).__name__}: {error}"
    return ("allowed", "") if draw.is_allowed() else ("accepted", "")


def drawn(seed: int, count: int) -> Iterator[Draw]:
    """Yield draws of which those of any number are the same for a seed."""
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        name, argument = ARGUMENTS[rng.integers(len(ARGUMENTS))]
        yield Draw(name, argument, VALUES[rng.integers(len(VALUES))]())


def ends(seed: int, count: int) -> Iterator[tuple[str, str]]:
    """Yield how each call ends, and what it was and said."""
    for draw in drawn(seed, count):
        word, text = outcome(draw)
        yield word, f"{draw}: {text}"


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_few_calls():
    counts, faults = tallied(ends(seed=0, count=150), EXPECTED)
    assert faults == []
    assert counts["clean"] > 100


@pytest.mark.slow
def test_a_thousand_calls(capsys):
    require_a_thousand("calls", ends, EXPECTED, capsys)
