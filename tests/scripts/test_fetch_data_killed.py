"""Fetches at once, and fetches killed at every step: the data set is there, whole, and nothing is lost."""

import functools
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from erf.data import cifar10
from scripts import fetch_data
from tests.erf.data.tiny_sets import cifar_binary

# What is done to files, as Python's audit hooks call it; a step is one of these.
STEPS = {"open", "os.mkdir", "os.rename", "os.rmdir", "os.remove", "shutil.rmtree", "ctypes.dlsym"}


def fetch(folder: Path, step: int = 0, started: Path | None = None, swap: bool = True) -> None:
    """Do what the script does, with a data set that may be tiny; die before the step of this number."""
    tiny = {
        "prepare": lambda source, target: cifar10.write_pools(cifar10.read_pools(source, partial=True), target),
        "read": functools.partial(cifar10.read, partial=True),
    }
    fetch_data.SOURCES[cifar10.NAME] = replace(fetch_data.SOURCES[cifar10.NAME], **tiny)
    fetch_data._print = lambda *_: None  # its table takes half of the time
    os.sync = lambda: time.sleep(0.2 if started else 0)  # takes long where a disk is busy
    if not swap:
        fetch_data.ctypes.CDLL = lambda name: object()
    if started:
        started.touch()
    left = step

    def count(event: str, arguments: tuple) -> None:
        nonlocal left
        if event in STEPS and str(folder / "data") in f"{arguments}{folder / 'data' if 'dlsym' in event else ''}":
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    code = fetch_data.main(["cifar10", "--from", str(folder / "copy"), "--data-dir", str(folder / "data")])
    sys.exit(code)


@pytest.fixture
def folder(tmp_path):
    cifar_binary(tmp_path / "copy")
    (tmp_path / "data").mkdir()
    return tmp_path


def damaged(target: Path) -> None:
    cifar_binary(target)
    (target / "test_batch.bin").write_bytes(b"half")


def is_whole(folder: Path) -> bool:
    content = cifar10.read(folder / "copy", partial=True).content()
    return cifar10.read(folder / "data" / "cifar10", partial=True).content() == content


def start(context, *arguments, **named):
    process = context.Process(target=fetch, args=arguments, kwargs=named)
    process.start()
    return process


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("before", ["nothing", "damaged"])
def test_of_fetches_at_once_one_puts_the_data_there_and_all_have_them(before, context, folder):
    target = folder / "data" / "cifar10"
    if before == "damaged":
        damaged(target)
    processes = [start(context, folder, started=folder / f"started-{number}") for number in range(3)]
    absent = 0
    while any(process.is_alive() for process in processes):
        absent += not target.exists()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert is_whole(folder)
    assert names(folder / "data") == {"cifar10"} | ({"cifar10.replaced-1"} if before == "damaged" else set())
    assert before == "nothing" or not absent


def test_who_waits_for_a_fetch_that_is_killed_does_it(context, folder):
    first = start(context, folder, started=folder / "first")
    while not (folder / "data" / ".cifar10.part").exists():
        time.sleep(0.001)
    second = start(context, folder, started=folder / "second")
    while not (folder / "second").exists():
        time.sleep(0.001)
    first.kill()
    second.join(60)
    assert second.exitcode == 0
    assert is_whole(folder)
    assert names(folder / "data") == {"cifar10"}


@pytest.mark.parametrize(("before", "swap"), [("nothing", True), ("damaged", True), ("damaged", False)])
def test_killed_before_any_step_nothing_is_lost_and_the_same_command_ends_well(before, swap, context, folder):
    step, code = 0, None
    while code != 0:
        step += 1
        place = folder / str(step)
        place.mkdir()
        (place / "copy").symlink_to(folder / "copy")
        target = place / "data" / "cifar10"
        if before == "damaged":
            damaged(target)
        process = start(context, place, step, swap=swap)
        process.join(60)
        code = process.exitcode
        assert code in (0, -signal.SIGKILL)
        if swap and before == "damaged":
            assert target.exists()
        if before == "damaged":
            assert b"half" in {path.read_bytes() for path in (place / "data").rglob("test_batch.bin")}
        again = start(context, place, swap=swap)
        again.join(60)
        assert again.exitcode == 0
        assert is_whole(place)
        assert all(name.startswith("cifar10") for name in names(place / "data"))  # no lock, and nothing half made
        if before == "damaged":
            assert b"half" in {path.read_bytes() for path in (place / "data").rglob("test_batch.bin")}
    assert step > 10
