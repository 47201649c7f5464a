"""A run that several tests look at."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from experiments.harness.cli import main
from tests.conftest import leave_figures_empty


def run_once(tmp_path_factory: pytest.TempPathFactory, arguments: Sequence[str]) -> Path:
    """Return a folder in which there is what this command leaves, its figures empty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder := tmp_path_factory.mktemp("once"))
        patch.setattr(sys, "argv", ["run.py"])
        leave_figures_empty(patch)
        assert main(arguments) == 0
    return folder
