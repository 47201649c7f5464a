"""Settings of all tests."""
# ruff: noqa: E402

import gc

gc.disable()  # until the tests run, as what is imported stays: it would be searched again and again for nothing

import multiprocessing
import os
import time
from collections.abc import Iterator

import matplotlib.font_manager  # noqa: F401  # lists the fonts once for all processes: where slow, it says so on stderr
import pytest
from hypothesis import settings

from tests.browser.pages import BROWSER

# The tests' tensors are small: threads would spend longer waiting for each other than computing. Torch, which is loaded
# later and not at all by the process that only hands out tests, reads it, and so do the processes that tests start.
os.environ["OMP_NUM_THREADS"] = "1"

# The same cases at every run, whatever the machine's speed.
settings.register_profile("same_cases", derandomize=True, deadline=None)
settings.load_profile("same_cases")

pytest.register_assert_rewrite("tests.figures")


def pytest_collection_finish() -> None:
    """Spare the garbage collector the millions of objects that all the imported packages and tests are."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def quick_pictures():
    """Compress a report's pictures less, which changes no pixel."""
    from experiments.report import pictures

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "EFFORT", 0)
        yield


@pytest.fixture(scope="session")
def context():
    """Return what starts processes that begin with everything imported.

    They are forked from one server, which imports what is named before it starts: here, for all tests that use it.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.preloaded"])
    first = context.Process(target=time.sleep, args=(0,))
    first.start()
    first.join()
    return context


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """Return the system's browser, started."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if BROWSER is None:
        pytest.skip("no browser is installed")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield running
        running.close()


def leave_figures_empty(patch: pytest.MonkeyPatch) -> None:
    """Let a run write and log empty figures: drawing takes most of a small run's time."""
    from matplotlib.figure import Figure

    from experiments.harness import job
    from experiments.harness.figure_file import write_figure
    from experiments.harness.tensorboard_logbook import TensorBoardLogbook

    log_map = TensorBoardLogbook.map
    patch.setattr(job, "write_figure", lambda path, _: write_figure(path, Figure((1, 1))))
    patch.setattr(TensorBoardLogbook, "figure", lambda *_: None)
    patch.setattr(TensorBoardLogbook, "map", lambda book, tag, imap, _, step: log_map(book, tag, imap, None, step))


@pytest.fixture
def empty_figures(monkeypatch):
    """Write and log empty figures during a test."""
    leave_figures_empty(monkeypatch)
