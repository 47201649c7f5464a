"""What the tests of several scripts need."""

import sys

import pytest
import torch


@pytest.fixture(autouse=True)
def threads():
    """Give back the process's threads, which main sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def timed_once(monkeypatch):
    """Take short measurements once a turn."""
    monkeypatch.setattr("scripts.benchmarks.case.LEAST_SECONDS", 0)


@pytest.fixture
def main_ends_with_the_test(monkeypatch, empty_figures):
    """Give back the process's arguments and environment, which main changes, and leave figures empty."""
    monkeypatch.setattr(sys, "argv", ["run.py"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
