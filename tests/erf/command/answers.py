"""The command erf as it is given in tests, and what it prints."""

from erf.command.cli import main

SMALL = ("--input", "24")


def answer(capsys, *arguments):
    assert main(arguments) == 0
    return capsys.readouterr().out
