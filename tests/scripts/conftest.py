"""What the tests of several scripts need."""

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
