"""Where the tests of the command line run."""

import sys

import pytest


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Run in an empty folder; main changes the process's arguments and environment, which end with the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["run.py"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    return tmp_path


@pytest.fixture
def nothing_is_written(elsewhere):
    """Run in an empty folder, and see that there is no file in it at the end."""
    yield
    assert not [path for path in elsewhere.rglob("*") if path.is_file()]
