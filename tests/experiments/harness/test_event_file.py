"""TensorBoard calls runs by their overrides alone, as their events lie in folders of these names."""

from pathlib import Path

import pytest

from experiments.harness.event_file import EventFile, board_of, events_folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("parent", "board"),
    [
        ("results/runs/erf_growth", "results/tensorboard/erf_growth"),
        ("results/sweeps/erf_growth/seed=0,1-0123abcd", "results/tensorboard/erf_growth/seed=0,1-0123abcd"),
        ("else/where", "else/where"),
        ("results", "results"),
        ("results/quick/small", "results/quick/small"),
        ("runs/erf_growth", "runs/erf_growth"),
    ],
)
def test_a_board_mirrors_the_folders_of_results(parent, board):
    assert board_of(Path(parent)) == Path(board)
    assert board_of(Path(parent).absolute()) in (Path(board), Path(board).absolute())


def begin(run: str, name: str = "seed=1") -> Path:
    folder = events_folder(Path(run), name)
    EventFile(folder, Path(run).name)
    return folder


def test_a_run_finds_its_folder_again_and_another_run_of_the_same_overrides_takes_the_next():
    board = Path("results/tensorboard/a")
    first, second = "results/runs/a/seed=1-0123abcd", "results/runs/a/seed=1-4567cdef"
    assert [begin(run) for run in (first, second, first, second)] == [board / "seed=1", board / "seed=1.2"] * 2
    assert len(list((board / "seed=1").iterdir())) == 1
    (board / "seed=1.3").mkdir()  # by a run that has written nothing so far
    assert begin("results/runs/a/seed=1-89abcdef") == board / "seed=1.4"


def test_events_of_a_run_elsewhere_are_in_its_folder():
    assert begin("else/where/seed=1-0123abcd") == Path("else/where/seed=1-0123abcd/tensorboard")
