"""Errors name what is typed, wherever in a message an argument of the library stands."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import erf
from erf.command.as_typed import as_typed
from erf.command.cli import COMMANDS, main
from erf.errors import InvalidInput

LIBRARY = Path(erf.__file__).parent
FILE = """
import torch
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))

def signal():
    return nn.Conv1d(3, 2, 5)

class Own(nn.Module):
    def forward(self, x):
        raise ValueError("mode=odd (channels=4) layers=5")

class Fixed(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 4, 3)

    def train(self, mode=True):
        raise NotImplementedError("it has one mode")

class Two(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 4, 3)

    def forward(self, x):
        return super().forward(x), super().forward(x)

class Any(nn.Module):
    def forward(self, x):
        return x.mean(1, keepdim=True)

def failing():
    raise RuntimeError("seed=3 is not mine" + 80 * " and weights=4")
"""


def usage(command: str, capsys) -> str:
    with pytest.raises(SystemExit):
        main([*filter(None, [command]), "--help"])
    return capsys.readouterr().out


@cache
def messages() -> list[str]:
    """Return every text of the library that may be part of a message, with X for what is filled in."""
    texts = []
    for path in {*LIBRARY.rglob("*.py")} - {LIBRARY / "command" / "as_typed.py"}:
        tree = ast.parse(path.read_text())
        no_messages = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        no_messages |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if id(node) not in no_messages and isinstance(node, ast.JoinedStr | ast.Constant):
                parts = node.values if isinstance(node, ast.JoinedStr) else [node]
                texts.append("".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in parts))
    return texts


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_no_message_of_the_library_names_an_argument_otherwise_than_it_is_typed(command, capsys):
    text = usage(command, capsys)
    options = {option.lstrip("-") for option in re.findall(r"--\w+(?= [A-Z]|\])", text)}
    not_typed = re.compile(rf"(?<![\w'])({'|'.join(options | {'network', 'call'})})=\S")
    told = [message for message in messages() if " " in message and not_typed.search(message)]
    assert len(told) > 20
    for message in told:
        if message.startswith(("call=", "import erf", ", aggregation=")):  # not of the command; Python on a card
            continue
        with pytest.raises(InvalidInput) as refused, as_typed(text, network="network"):
            raise InvalidInput(message)
        assert not not_typed.search(str(refused.value)), message


def test_an_argument_that_is_offered_is_told_from_a_word_of_english(capsys):
    """Without its sign it would reach the command line as Python has it."""
    options = {name for command in ("", *COMMANDS) for name in re.findall(r"--(\w+)", usage(command, capsys))}
    bare = re.compile(rf"\b(use|pass|needs?|give|with|or) ({'|'.join(options)})\b(?!=)")
    assert not [message for message in messages() if bare.search(message)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(FILE)
    Path("net.csv").touch()
    Path("empty").mkdir()


SAID = {
    "channels": (["fields", "net.py:make", "--channels", "4"], "takes 3 channels, not 4: --channels 3)"),
    "sides": (["fields", "net.py:signal", "--input", "64"], "2 sides are given, --input 64,64)"),
    "side": (["fields", "net.py:make", "--input", "64,"], "1 sides are given, --input 64,)"),
    "mode": (["net.py:Fixed"], "pass --mode 'as_is'"),
    "odd mode": (["fields", "net.py:make", "--mode", "train"], "erf: argument --mode: invalid choice: 'train'"),
    "one layer": (["fields", "net.py:Two"], "name a layer that has one (--layer ...)"),
    "a network": (["net.py:mak"], "erf: network net.py:mak: the file has no function"),
    "no function": (["net.py:"], "erf: network 'net.py:': allowed for the network of a file is path"),
    "a network of a comparison": (["compare", "net.py:make", "net.py:mak"], "erf: network net.py:mak: the file"),
    "no file": (["net.py:make", "--weights", "DEFAULT"], "erf: --weights DEFAULT: only"),
    "mean": (["net.py:make", "--images", "empty", "--mean", "1"], "erf: --images empty: --mean (1.0,): allowed are 3"),
    "bands": (["net.py:Any", "--images", "empty", "--channels", "6"], "erf: --images empty: --channels 6: allowed"),
    "a file": (
        ["net.py:make", "--save", "net.csv"],
        "net.csv is there already; allowed: another name, or --overwrite\n",
    ),
    "a folder": (
        ["net.py:make", "--images", 300 * "x"],
        f"erf: --images {300 * 'x'}: --images {60 * 'x'}...: the path",
    ),
}


@pytest.mark.parametrize(("typed", "said"), SAID.values(), ids=SAID)
def test_what_is_wrong_is_said_as_it_is_typed(typed, said, capsys):
    assert main([*typed]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("command", "hint"), [((), "(--layers ...)"), (("fields",), "(--layer ...)")])
def test_only_the_option_that_a_command_has_is_offered(command, hint, capsys):
    with pytest.raises(InvalidInput) as refused, as_typed(usage(*command or ("",), capsys)):
        raise InvalidInput("two outputs (layer=..., or layers=... of erf.measure), or let call=... return one")
    assert str(refused.value) == f"two outputs {hint}"


def test_weights_that_cannot_be_had_are_left_out_by_their_option(monkeypatch, capsys):
    def refuse(*_, **__):
        raise OSError("no weights=3 here")

    monkeypatch.setattr("torchvision.models.get_model", refuse)
    assert main(["resnet18", "--weights", "DEFAULT"]) == 1
    said = "--weights DEFAULT of resnet18 could not be downloaded (no weights=3 here); allowed without a network: "
    assert said + "--weights none, PATH" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("factory", "said"),
    [("Own", "mode=odd (channels=4) layers=5"), ("failing", "seed=3 is not mine" + 80 * " and weights=4")],
)
def test_what_other_code_says_stays_as_it_is(factory, said, capsys):
    assert main(["fields", f"net.py:{factory}", "--channels", "3"]) == 1
    assert capsys.readouterr().err.endswith(f"{said}\n")
