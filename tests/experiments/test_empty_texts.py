"""An unset variable leaves an empty text, which as a path would mean the current folder: it is refused everywhere."""

import argparse
import re
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from erf import InvalidInput
from experiments.harness.cli import main
from experiments.harness.experiment import experiment_names, load
from scripts.options import Number, filled_path, filled_text
from scripts.reproduce import other_seed

pytestmark = pytest.mark.usefixtures("nothing_is_written")

# The function of each script that its last line calls.
SCRIPTS = {
    path.stem: getattr(import_module(f"scripts.{path.stem}"), called[1])
    for path in Path(__file__).parents[2].glob("scripts/*.py")
    if (called := re.search(r"sys\.exit\((\w+)\(sys\.argv", path.read_text()))
}


def text_kind(annotation: Any) -> type | None:
    """Return str or list where a field holds a text or a list of them, perhaps beside other types."""
    if isinstance(annotation, type) and issubclass(annotation, str) and not issubclass(annotation, Enum):
        return str
    kind = next(filter(None, map(text_kind, get_args(annotation))), None)
    return list if kind and getattr(annotation, "__origin__", None) is list else kind


TEXTS = [
    (name, key, kind)
    for name in experiment_names()
    for key, annotation in get_type_hints(load(name).Config).items()
    if (kind := text_kind(annotation))
]


@pytest.mark.parametrize(("name", "key", "kind"), TEXTS)
def test_no_setting_of_an_experiment_is_empty(name, key, kind):
    values = [""] if kind is str else [[""], ["a", ""]]
    for value in values:
        with pytest.raises(InvalidInput) as caught:
            load(name).Config(**{key: value})
        assert str(caught.value).startswith(f"{key}={value!r}")
        assert "\n" not in str(caught.value)


def test_the_settings_that_hold_texts_are_found():
    of_measure = {(key, kind) for name, key, kind in TEXTS if name == "measure"}
    assert {("images", str), ("weights", str), ("network", str), ("aggregation", str), ("layers", list)} <= of_measure
    assert ("cifar10", "data_dir", str) in TEXTS
    assert not any(key == "statistic" for _, key, _ in TEXTS)


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (["experiment=measure", "images="], "images"),
        (["experiment=measure", "images=''"], "images"),
        (["experiment=measure", "layers=['']"], "layers"),
        (["experiment=measure", "hydra.run.dir="], "hydra.run.dir"),
        (["experiment=cifar10", "data_dir="], "data_dir"),
        (["experiment="], "experiment"),
    ],
)
def test_the_command_line_says_so_in_one_line(arguments, key, capsys):
    assert main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert f"{key}=" in line
    assert "empty" in line


def options_of(script: str, monkeypatch: pytest.MonkeyPatch) -> list[argparse.Action]:
    """Return what the script's parser takes, the help aside."""

    class Asked(BaseException):
        pass

    def ask(parser: argparse.ArgumentParser, *_: object) -> None:
        raise Asked(parser._actions)

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_known_args", ask)
        patch.setattr(argparse.ArgumentParser, "parse_known_intermixed_args", ask)
        try:
            SCRIPTS[script]([])
        except Asked as asked:
            return [action for action in asked.args[0] if action.dest != "help"]
    return []


def texts_of(script: str, monkeypatch: pytest.MonkeyPatch) -> list[argparse.Action]:
    """Return the script's options that take a text of one's own."""
    taken = [action for action in options_of(script, monkeypatch) if action.nargs != 0 and not action.choices]
    return [each for each in taken if each.type is not other_seed and not isinstance(each.type, Number)]


@pytest.mark.parametrize("script", sorted({*SCRIPTS} - {"gpu_check"}))
def test_no_option_of_a_script_is_empty(script, monkeypatch, capsys):
    actions = texts_of(script, monkeypatch)
    assert actions
    assert {action.type for action in actions} <= {filled_path, filled_text}, [action.dest for action in actions]
    for action in actions:
        required = [each for each in options_of(script, monkeypatch) if not each.option_strings and each.choices]
        arguments = [*(next(iter(each.choices)) for each in required), *action.option_strings[:1], ""]
        assert SCRIPTS[script](arguments) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "it is empty; allowed is a value" in line
        assert (action.option_strings or [action.metavar])[0] in line
