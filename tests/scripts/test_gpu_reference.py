import pytest

from erf.errors import INTERRUPTED
from experiments.camvid.experiment import Result
from experiments.harness.cli import config_of, folder_of, jobs_of
from experiments.harness.record import is_complete, read_record
from scripts import gpu_reference
from scripts.evidence import FULL
from tests.experiments.toy_data import toy_data


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["camvid_starts", pytest.param("cifar10_starts", marks=pytest.mark.slow)])
def test_the_trainings_are_the_jobs_of_the_studies_in_their_folders(name):
    study, jobs = FULL.task(name), gpu_reference.jobs_of_study(name, ["device=cpu"])
    assert {tuple(job[:-2]) for job in jobs} == {tuple(job) for sweep in study.sweeps for job in jobs_of(sweep)}
    assert {folder_of(job).parent for job in jobs} == {study.folder}


def test_the_wide_ones_are_as_wide_as_the_recorded_trainings():
    for name, width in (("camvid_starts_wide", "widths"), ("cifar10_starts_wide", "width")):
        first, *_, last = gpu_reference.jobs_of_study(name, [])
        for config in map(config_of, (first, last)):
            assert getattr(config, width) == getattr(type(config)(), width)


@pytest.fixture
def two_jobs(monkeypatch):
    """Let there be two of the trainings alone, and return their folders and settings by what is added to them."""
    first = {name: gpu_reference.jobs_of_study(name, [])[0] for name in ("camvid_starts", "camvid_starts_wide")}

    def jobs_of_study(name, settings):
        return [[*first[name], *settings]] if name in first else []

    monkeypatch.setattr(gpu_reference, "jobs_of_study", jobs_of_study)
    return lambda settings: [folder_of([*job, *settings]) for job in first.values()]


@pytest.mark.slow
def test_trainings_of_toy_size_are_run_at_once_and_leave_the_records_of_run_py(two_jobs, capfd):
    settings = ["scale=quick", "device=cpu", f"data_dir={toy_data()}", "partial_data=true", "grid=1", "batch_size=2"]
    assert gpu_reference.gpu_reference(["--at-once", "2", *settings]) == 0
    folders = two_jobs(settings)
    assert [read_record(folder, Result).config.precision for folder in folders] == ["float32", "float32"]
    assert all("epoch 1 of 1" in (folder / gpu_reference.OUTPUT).read_text() for folder in folders)
    assert capfd.readouterr().out.splitlines() == [f"   0  {folder}" for folder in folders]


def test_what_the_time_cuts_off_is_interrupted(two_jobs, capfd):
    settings = ["scale=quick", "device=cpu", f"data_dir={toy_data()}", "partial_data=true"]
    assert gpu_reference.gpu_reference(["--minutes", "0.005", "--at-once", "1", *settings]) == INTERRUPTED
    assert not any(map(is_complete, two_jobs(settings)))
    assert capfd.readouterr().out.count(f"{INTERRUPTED}  ") == 2


def test_a_training_that_fails_or_is_killed_is_no_success(two_jobs, monkeypatch):
    for code in (1, -9):
        monkeypatch.setattr(
            gpu_reference, "train_at_once", lambda jobs, *_, code=code: dict.fromkeys(jobs, 0) | {min(jobs): code}
        )
        assert gpu_reference.gpu_reference([]) == abs(code)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["widths=[1]", "--only", "camvid_starts"], "widths=[1]: allowed are four"),
        (["--at-once", "0"], "argument --at-once: '0': allowed are whole numbers from 1"),
    ],
)
def test_unusable_settings_are_one_line_before_anything_is_trained(arguments, said, capsys):
    assert gpu_reference.gpu_reference(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {said}")
