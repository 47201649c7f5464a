import re
import shutil

import matplotlib
import pytest
from PIL import Image

from experiments.camvid import experiment as camvid
from experiments.camvid.study import gather as gather_camvid
from experiments.cifar10 import experiment as cifar10
from experiments.cifar10.study import gather as gather_cifar10
from experiments.harness.environment import ROOT, Environment
from experiments.harness.record import write_record
from experiments.harness.reference import REFERENCE
from experiments.harness.style import PAGE, entitle, new_figure
from scripts import figures
from tests.experiments.trainings.made_up_trainings import training


@pytest.mark.slow
def test_the_records_of_both_data_sets_make_one_figure(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(figures, "draw_starts", lambda studies: drawn.extend(studies) or draw(studies))
    for name, gather, kind in (("camvid", gather_camvid, camvid.Result), ("cifar10", gather_cifar10, cifar10.Result)):
        (tmp_path / f"{name}_starts").mkdir()
        study = gather([training(kind, seed=seed) for seed in range(2)])
        write_record(tmp_path / f"{name}_starts", study, Environment.now("cpu"))  # pyright: ignore[reportArgumentType]
    assert figures.main([str(tmp_path), "--only", "figure_3"]) == 0
    assert [study.DATA_SET for study in drawn] == ["CIFAR-10", "CamVid"]
    assert (tmp_path / "figure_3.png").exists()
    assert f"{tmp_path}/figure_3.png" in capsys.readouterr().out


def test_a_missing_record_is_one_line(tmp_path, capsys):
    assert figures.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: there is no such record in {tmp_path}\n"


def test_a_run_is_drawn_from_its_record_alone_the_same_each_time(tmp_path):
    shutil.copytree(REFERENCE / "exact_theory", tmp_path / "exact_theory")
    for path in tmp_path.glob("exact_theory/exact_theory.*"):
        path.unlink()
    drawn = []
    for _ in range(2):
        assert figures.main([str(tmp_path)]) == 0
        drawn.append({path.suffix: path.read_bytes() for path in tmp_path.glob("exact_theory/exact_theory.*")})
    assert drawn[0] == drawn[1]
    assert drawn[0].keys() == {".png", ".svg", ".pdf"}


def test_how_cost_grows_is_drawn_from_its_record(tmp_path, monkeypatch):
    written = {}
    monkeypatch.setattr(figures, "write_figure", written.__setitem__)
    (tmp_path / "benchmark").mkdir()
    shutil.copy(REFERENCE / "benchmark" / "scaling.json", tmp_path / "benchmark")
    assert figures.main([str(tmp_path), "--only", "scaling"]) == 0
    ((path, figure),) = written.items()
    assert path == tmp_path / "benchmark" / "scaling"
    assert figure.get_figwidth() == PAGE
    assert "plain" in figure.get_label()  # the caption


def test_the_screens_style_has_larger_text_and_leaves_the_papers_as_it_was(tmp_path, monkeypatch):
    sizes = []
    monkeypatch.setattr(figures, "write_figure", lambda *_: sizes.append(matplotlib.rcParams["font.size"]))
    shutil.copytree(REFERENCE / "exact_theory", tmp_path / "exact_theory")
    for style in ("screen", "paper"):
        assert figures.main([str(tmp_path), "--style", style]) == 0
    assert sizes == [8, 7]
    assert matplotlib.rcParams["font.size"] == 7


def test_a_page_gets_message_and_caption_in_place_of_those_before():
    figure = new_figure(3, 2)
    for message, caption in (("One sentence: 3", "n = 5."), ("Two", "n = 6; *: a star")):
        entitle(figure, message, caption)
        page = figures.captioned("Text.\n\n![old](a/b.png)\n\n> caption\n\nMore.\n", "](a/b.png)", figure)
        assert page == f"Text.\n\n![{message}](a/b.png)\n\n> {caption}\n\nMore.\n"
        assert figures.captioned(page, "](a/b.png)", figure) == page
    assert figures.captioned("![x](c.png)\n", "](a/b.png)", figure) == "![x](c.png)\n"


@pytest.mark.parametrize("path", sorted(figures.PAGES.glob("*.md")), ids=lambda path: path.stem)
def test_every_page_has_the_captions_of_the_pictures_that_it_shows(path):
    """A PNG holds its caption; the message is the link's text."""
    for name, caption in re.findall(
        r"^!\[.+\]\(../../(results/reference/.+\.png)\)\n\n(?:> (.*)\n)?", path.read_text(), re.M
    ):
        with Image.open(ROOT / name) as picture:
            assert picture.info.get("Description", "") == caption


drawn, draw = [], figures.draw_starts


@pytest.mark.slow
def test_all_panels_of_a_figure_are_written_as_wide_as_a_column(tmp_path, capsys):
    shutil.copytree(REFERENCE / "exact_theory", tmp_path / "exact_theory")
    assert figures.main([str(tmp_path), "--columns"]) == 0
    names = re.findall(r"column +(\S+)\.png", capsys.readouterr().out)
    assert len(names) == 3
    for name in names:
        with Image.open(f"{name}.png") as picture:
            assert picture.width == pytest.approx(3.25 * 160, abs=1)
