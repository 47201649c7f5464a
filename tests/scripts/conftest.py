"""What the tests of several scripts need."""

import functools
import sys
from dataclasses import replace

import pytest
import torch

from erf.data import camvid, cifar10
from scripts import fetch_data


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


@pytest.fixture
def tiny_sets_are_enough(monkeypatch):
    """Let fetch_data.py take data sets of any size."""
    tiny = {
        cifar10.NAME: {
            "prepare": lambda a, b: cifar10.write_pools(cifar10.read_pools(a, partial=True), b),
            "read": functools.partial(cifar10.read, partial=True),
        },
        camvid.NAME: {"read": functools.partial(camvid.read, partial=True)},
    }
    monkeypatch.setattr(
        fetch_data, "SOURCES", {name: replace(fetch_data.SOURCES[name], **parts) for name, parts in tiny.items()}
    )
