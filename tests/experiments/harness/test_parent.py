"""Workers of a process that is killed end soon."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from experiments.harness.parent import end_with_parent

ROOT = Path(__file__).parents[3]
START = """
import multiprocessing, os, time
from {backend} import {start}
from experiments.harness.parent import end_with_parent

def wait_for_the_end_of_the_parent():
    while os.getppid() == multiprocessing.parent_process().pid:
        time.sleep(0.05)

def work():
    {call}
    print(os.getpid(), flush=True)
    {later}
    time.sleep(60)

{run}
"""
WAYS = {
    "multiprocessing": {
        "backend": "multiprocessing",
        "start": "get_context",
        "run": "worker = get_context('fork').Process(target=work); worker.start(); worker.join()",
    },
    "joblib": {
        "backend": "joblib",
        "start": "Parallel, delayed",
        "run": "Parallel(n_jobs=2, backend='loky')(delayed(work)() for _ in range(2))",
    },
}


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def outlives(way, call, seconds, later="pass"):
    """Return whether a worker is there so long after its parent was killed.

    Args:
        way: In which it is started.
        call: What it does before its parent is killed.
        seconds: After which it is looked for.
        later: What it does from then on.
    """
    code = START.format(**WAYS[way], call=call, later=later)
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        parent.kill()
    end = time.monotonic() + seconds
    while is_alive(worker) and time.monotonic() < end:
        time.sleep(0.05)
    if alive := is_alive(worker):
        os.kill(worker, signal.SIGKILL)
    return alive


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes as Linux shows them")
@pytest.mark.parametrize("way", WAYS)
def test_a_worker_ends_soon_after_its_parent_is_killed(way):
    assert not outlives(way, "end_with_parent()", 20)


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes as Linux shows them")
def test_a_worker_whose_parent_was_killed_while_it_started_ends():
    later = "wait_for_the_end_of_the_parent(); end_with_parent()"
    assert not outlives("multiprocessing", "pass", 20, later)


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes as Linux shows them")
def test_it_would_not_end_by_itself():
    assert outlives("multiprocessing", "pass", 1.5)


def test_a_process_that_is_no_worker_is_left_alone():
    before = threading.enumerate()
    end_with_parent.__wrapped__()
    assert threading.enumerate() == before
