from experiments.camvid import experiment as camvid
from experiments.camvid.study import gather as gather_camvid
from experiments.cifar10 import experiment as cifar10
from experiments.cifar10.study import gather as gather_cifar10
from experiments.harness.environment import Environment
from experiments.harness.record import write_record
from scripts import figure_3
from tests.experiments.trainings.made_up_trainings import training


def test_the_records_of_both_data_sets_make_one_figure(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(figure_3, "draw_starts", lambda studies: drawn.extend(studies) or draw(studies))
    for name, gather, kind in (("camvid", gather_camvid, camvid.Result), ("cifar10", gather_cifar10, cifar10.Result)):
        (tmp_path / f"{name}_starts").mkdir()
        study = gather([training(kind, seed=seed) for seed in range(2)])
        write_record(tmp_path / f"{name}_starts", study, Environment.now("cpu"))
    assert figure_3.main([str(tmp_path)]) == 0
    assert [study.DATA_SET for study in drawn] == ["CIFAR-10", "CamVid"]
    assert (tmp_path / "figure_3.png").exists()
    assert f"{tmp_path}/figure_3.png" in capsys.readouterr().out


def test_a_missing_record_is_one_line(tmp_path, capsys):
    assert figure_3.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}/cifar10_starts/result.json is missing\n"


drawn, draw = [], figure_3.draw_starts
