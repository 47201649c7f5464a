"""Each command that README and the pages show is one that its program takes; those of seconds are run."""

import importlib
import re
import shlex
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from erf.command import cli
from experiments.harness import cli as run_py
from experiments.harness.arguments import Arguments

ROOT = Path(__file__).parents[2]
OF_A_COPY = ROOT / "docs" / "add_an_experiment.md"  # its commands are run by tests/docs/test_add_an_experiment.py
PAGES = [page for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if page != OF_A_COPY]
BLOCK = re.compile(r"(?ms)^```(\w*)\n(.*?)^```$")
LINE = re.compile(r"(?m)^ *((?:erf|python|pip|make|mkdocs|tensorboard) .+)$")
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
QUICK = [
    "erf resnet18 --input 64 --samples 2",
    "erf fields resnet50",
    "python run.py",
    "python run.py experiment=erf_growth --help",
    "python scripts/benchmark.py --help",
]


def commands(text: str) -> list[str]:
    """Return the commands in a page's blocks of code, without the comments behind them."""
    fenced = [code for language, code in BLOCK.findall(text) if language in ("", "sh", "bash")]
    indented = re.findall(r"(?m)^(?: {4}.+\n)+", BLOCK.sub("", text))
    lines = [line for code in fenced + indented for line in LINE.findall(code)]
    return [re.sub(r"\s+# .*", "", line).strip() for line in lines]


def check(command: str, monkeypatch) -> None:
    """Fail where the command's program would refuse it; nothing is run."""
    program, *arguments = shlex.split(command)
    if program == "erf":
        monkeypatch.setattr(cli, "MEASURE", replace(cli.MEASURE, run=lambda options: "run"))
        taken = {name: replace(each, run=lambda options: "run") for name, each in cli.COMMANDS.items()}
        monkeypatch.setattr(cli, "COMMANDS", taken)
        assert cli.main(arguments) == 0
    elif program == "python" and arguments[0] == "run.py":
        check_run(arguments[1:])
    elif program == "python" and arguments[0] != "-m":
        check_script(*arguments)
    elif program == "pip":
        named = re.findall(r"\[([\w,]+)\]", command)
        assert {extra for names in named for extra in names.split(",")} <= EXTRAS.keys()
    elif program == "make":
        assert f"\n{arguments[0]}:" in (ROOT / "Makefile").read_text()


def check_run(arguments: list[str]) -> None:
    given = Arguments.of(arguments)
    overrides = list(given.overrides)
    for job in run_py.jobs_of(overrides) if given.is_sweep else [overrides] if overrides else []:
        run_py.config_of(job)


def check_script(path: str, *arguments: str) -> None:
    source = (ROOT / path).read_text()
    assert [one for one in arguments if one.startswith("--") and one != "--help" and f'"{one}"' not in source] == []
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    if hasattr(module, "_options") and "--help" not in arguments:
        module._options(arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_that_a_page_shows_are_allowed(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("FOLDER", "PATH"):  # as pages call a folder of the reader's
        (tmp_path / name).mkdir()
    for command in commands(page.read_text()):
        check(command, monkeypatch)


def test_pages_show_commands_of_all_programs():
    commands_shown = {command for page in PAGES for command in commands(page.read_text())}
    assert len(commands_shown) > 60
    assert {command.split()[0] for command in commands_shown} >= {"erf", "python", "pip", "make", "tensorboard"}
    assert set(QUICK) <= commands_shown


@pytest.mark.parametrize(
    "command",
    [
        "erf resnet18 --inptu 3",
        "python run.py experiment=typo",
        "python run.py experiment=erf_growth dephts=[5]",
        "python run.py -m experiment=erf_growth depths=[5] kernel_sise=3,5",
        "python scripts/typo.py",
        "python scripts/benchmark.py --typo",
        "python scripts/report.py --typo",
        "pip install '.[typo]'",
        "make typo",
    ],
)
def test_a_command_that_is_not_allowed_is_seen(command, monkeypatch):
    with pytest.raises((Exception, SystemExit)):
        check(command, monkeypatch)


def test_commands_are_found_in_blocks_alone():
    page = (
        "erf no\n\n```\nerf a.py:b --input 3   # why\nhas no field\n```\n\n```python\nerf.no()\n```\n\n    make run\n"
    )
    assert commands(page) == ["erf a.py:b --input 3", "make run"]


@pytest.mark.parametrize("command", QUICK)
def test_commands_of_seconds_run(command, capsys):
    program, *arguments = shlex.split(command)
    if program == "erf":
        code = cli.main(arguments)
    elif arguments[0] == "run.py":
        code = run_py.main(arguments[1:])
    else:
        with pytest.raises(SystemExit) as end:
            importlib.import_module(arguments[0].removesuffix(".py").replace("/", ".")).main(arguments[1:])
        code = end.value.code
    assert code == 0
    assert len(capsys.readouterr().out.splitlines()) > 8
