"""The records that a report is made of."""

import shutil

import pytest

from experiments.harness.reference import REFERENCE
from experiments.report import figures


@pytest.fixture
def folder(tmp_path):
    """The records of two runs, of which all the rest are missing."""
    for name in ("exact_theory", "nonlinearities"):
        shutil.copytree(REFERENCE / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def without_places(monkeypatch):
    """Lay no figure out to see where its maps are, which takes most of a page's time: test_figures.py does."""
    monkeypatch.setattr(figures, "_maps", lambda _: ())
