import pytest

from experiments.camvid.about import SMALLEST
from experiments.camvid.experiment import Result
from experiments.harness.cli import INTERRUPTED, config_of, folder_of
from experiments.harness.record import is_complete, read_record
from scripts import gpu_reference
from tests.experiments.toy_data import toy_data


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_trainings_are_of_full_width_from_each_start_at_each_seed():
    configs = [config_of(job) for job in gpu_reference.JOBS]
    assert {(config.start, config.gain, config.seed) for config in configs} == {
        (start, gain, seed)
        for start, gain in (("small_gain", 0.16), ("unit_gain", None), ("framework_default", None))
        for seed in range(3)
    }
    assert {tuple(config.widths) for config in configs} == {(16, 32, 64, 128)}


@pytest.mark.slow
def test_trainings_of_toy_size_are_run_at_once_and_leave_the_records_of_run_py(monkeypatch, capfd):
    monkeypatch.setattr(gpu_reference, "JOBS", gpu_reference.JOBS[:2])
    settings = [*SMALLEST, "device=cpu", f"data_dir={toy_data()}", "grid=1"]
    assert gpu_reference.gpu_reference(["--at-once", "2", *settings]) == 0
    folders = [folder_of([*job, *settings]) for job in gpu_reference.JOBS]
    assert [read_record(folder, Result).config.start for folder in folders] == ["small_gain", "unit_gain"]
    assert all("epoch 2 of 2" in (folder / gpu_reference.OUTPUT).read_text() for folder in folders)
    assert capfd.readouterr().out.splitlines() == [f"   0  {folder}" for folder in folders]


def test_what_the_time_cuts_off_is_interrupted(monkeypatch, capfd):
    monkeypatch.setattr(gpu_reference, "JOBS", gpu_reference.JOBS[:2])
    settings = [*SMALLEST, "device=cpu", f"data_dir={toy_data()}"]
    assert gpu_reference.gpu_reference(["--minutes", "0.005", "--at-once", "1", *settings]) == INTERRUPTED
    assert not any(is_complete(folder_of([*job, *settings])) for job in gpu_reference.JOBS)
    assert capfd.readouterr().out.count(f"{INTERRUPTED}  ") == 2


def test_a_training_that_fails_or_is_killed_is_no_success(monkeypatch):
    for code in (1, -9):
        monkeypatch.setattr(
            gpu_reference, "train_at_once", lambda jobs, *_, code=code: dict.fromkeys(jobs, 0) | {min(jobs): code}
        )
        assert gpu_reference.gpu_reference([]) == abs(code)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["widths=[1]"], "widths=[1]: allowed are four"), (["--at-once", "0"], "--at-once 0: allowed are numbers from 1")],
)
def test_unusable_settings_are_one_line_before_anything_is_trained(arguments, said, capsys):
    assert gpu_reference.gpu_reference(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {said}")
