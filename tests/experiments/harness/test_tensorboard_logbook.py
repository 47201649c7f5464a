import json
import multiprocessing
import os
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from erf import InfluenceMap, InvalidInput
from erf.maps.statistic import Statistic
from experiments.harness.tensorboard_logbook import SMALLEST_SIDE, TensorBoardLogbook


def events(folder):
    (path,) = (folder / "tensorboard").iterdir()
    loaded = EventFileLoader(str(path)).Load()
    return [(value.tag, event.step) for event in loaded for value in event.summary.value]


def a_map(*shape):
    return SimpleNamespace(values=np.random.default_rng(0).random(shape))


def test_events_are_on_disk_at_once(tmp_path):
    logbook = TensorBoardLogbook(tmp_path)
    logbook.map("map", a_map(11, 11), None, 10)
    assert events(tmp_path) == [("map", 10)]
    logbook.text("note", "words")
    assert events(tmp_path)[1:] == [("note/text_summary", 0)]


def test_a_chart_has_two_points_or_more(tmp_path):
    logbook = TensorBoardLogbook(tmp_path)
    logbook.scalars({"size/a": 1.5, "size/b": 2.5}, 5)
    assert not any(tmp_path.iterdir())
    logbook.scalars({"size/a": 1.75}, 10)
    assert events(tmp_path) == [("size/a", 5), ("size/a", 10)]
    logbook.scalars({"size/a": 2.0}, 20)
    logbook.conclude({}, {"slope": 0.5}, {})
    assert [tag for tag in events(tmp_path) if tag[0].startswith(("size", "slope"))] == [
        ("size/a", 5), ("size/a", 10), ("size/a", 20),
    ]  # fmt: skip
    assert text(tmp_path, "result") == "| number | value |\n|---|---|\n| slope | 0.5 |\n| size/b, at 5 | 2.5 |"


def test_a_run_that_goes_on_shows_no_point_twice(tmp_path):
    for _ in range(2):
        logbook = TensorBoardLogbook(tmp_path)
        logbook.scalars({"size": 1.5}, 5)
        logbook.scalars({"size": 2.0}, 6)
    assert events(tmp_path) == [("size", 5), ("size", 6)]


def summaries(folder):
    (path,) = (folder / "tensorboard").iterdir()
    return {value.tag: value for event in EventFileLoader(str(path)).Load() for value in event.summary.value}


def text(folder, name):
    return summaries(folder)[f"{name}/text_summary"].tensor.string_val[0].decode()


def test_hparams_are_what_varies_and_then_the_outcomes(tmp_path):
    settings = {"runs": 3, "depths": [1, 2], "fresh": False, "init": "he"}
    TensorBoardLogbook(tmp_path).conclude(settings, {"slope": 0.5}, {"runs": 3.0, "init": "he"})
    assert "| depths | [1, 2] |" in text(tmp_path, "config")
    session = summaries(tmp_path)["_hparams_/session_start_info"].metadata.plugin_data.content
    hparams = HParamsPluginData.FromString(session).session_start_info.hparams
    assert {name: value.string_value or value.number_value for name, value in hparams.items()} == {
        "runs": 3.0, "init": "he", "→ slope": 0.5,
    }  # fmt: skip
    assert sorted(hparams)[-1] == "→ slope"
    assert "_hparams_/experiment" not in summaries(tmp_path)  # it would fix the columns of other experiments' runs


def test_tags_name_the_experiment_after_the_quantity(tmp_path):
    logbook = TensorBoardLogbook(tmp_path, experiment="erf_growth")
    for step in (1, 2):
        logbook.scalars({"size/random": 1.0, "loss": 1.0}, step)
    logbook.map("map/relu", a_map(11, 11), None, 0)
    logbook.figure("figure", Figure((1, 1)), 0)
    logbook.conclude({}, {}, {})
    tags = {tag for tag, _ in events(tmp_path) if not tag.startswith(("_hparams_", "custom_scalars"))}
    assert tags == {
        "size/erf_growth/random", "loss/erf_growth", "map/erf_growth/relu", "figure/erf_growth",
        "config/erf_growth/text_summary", "result/erf_growth/text_summary",
    }  # fmt: skip


def test_custom_scalars_have_the_curves_of_each_quantity_of_each_experiment_in_one_chart(tmp_path):
    for name in ("erf_growth", "dropout"):
        logbook = TensorBoardLogbook(tmp_path / name, experiment=name)
        for step in (1, 2):
            logbook.scalars({"size/random": 1.0, "size/relu": 2.0, "loss": 0.0, "size_of_more/a": 3.0}, step)
        logbook.scalars({"alone": 1.0}, 1)
        logbook.conclude({}, {"one": 1.0, "two": 2.0}, {})
        (category,) = layout_pb2.Layout.FromString(
            summaries(logbook.folder)["custom_scalars__config__"].tensor.string_val[0]
        ).category
        assert category.title == name
        charts = {chart.title: list(chart.multiline.tag) for chart in category.chart}
        assert charts == {quantity: [f"^{quantity}/{name}(/|$)"] for quantity in ("loss", "size", "size_of_more")}


def test_a_run_without_curves_has_no_layout(tmp_path):
    logbook = TensorBoardLogbook(tmp_path)
    logbook.scalars({"loss": 1.0}, 1)
    logbook.conclude({}, {}, {})
    assert "custom_scalars__config__" not in summaries(tmp_path)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("shape", [(3, 3), (11, 31), (200, 180)])
def test_a_map_is_shown_large_enough_and_its_peak_brightest(tmp_path, monkeypatch, shape, signed):
    images = []
    logbook = TensorBoardLogbook(tmp_path)
    monkeypatch.setattr(logbook, "_image", lambda tag, pixels, step: images.append(pixels))
    imap = a_map(*shape)
    imap.values -= 0.5 * signed
    logbook.map("map", imap, None, 0)
    pixels = images[0].astype(int)
    assert pixels.shape[2] == 3
    assert min(pixels.shape[:2]) >= SMALLEST_SIDE
    assert pixels.shape[0] * shape[1] == pixels.shape[1] * shape[0]
    row, column = np.unravel_index(np.argmax(imap.values), shape)
    scale = pixels.shape[0] // shape[0]
    if not signed:
        assert pixels[row * scale, column * scale].sum() == pixels.sum(axis=2).max()


@dataclass(frozen=True)
class Kept:
    map: np.ndarray
    skipped: int


def test_once_measures_once_and_returns_what_was_kept(tmp_path):
    calls = []

    def measure():
        calls.append(1)
        return Kept(np.arange(3.0), 2)

    first = TensorBoardLogbook(tmp_path).once("uniform/5", Kept, measure)
    later = TensorBoardLogbook(tmp_path)
    assert later.kept() == 1
    again = later.once("uniform/5", Kept, measure)
    assert calls == [1]
    np.testing.assert_array_equal(first.map, again.map)
    assert (first.skipped, again.skipped) == (2, 2)
    later.discard_partial()
    assert not any(tmp_path.iterdir())


def test_points_of_another_version_of_the_code_are_measured_again(tmp_path):
    TensorBoardLogbook(tmp_path, "old").once("a", np.ndarray, lambda: np.zeros(2))
    new = TensorBoardLogbook(tmp_path, "new")
    assert new.kept() == 0
    np.testing.assert_array_equal(new.once("a", np.ndarray, lambda: np.ones(2)), [1, 1])
    new.discard_partial()
    assert not (tmp_path / "partial").exists()


def test_a_damaged_point_is_named(tmp_path):
    logbook = TensorBoardLogbook(tmp_path)
    logbook.once("a", Kept, lambda: Kept(np.arange(3.0), 1))
    with pytest.raises(InvalidInput, match=r"a\.npz is damaged: Expected `int`"):
        logbook.once("a", int, int)
    (tmp_path / "partial" / "unknown" / "a.npz").write_bytes(b"PK\3\4")
    with pytest.raises(InvalidInput, match=r"a\.npz is damaged"):
        logbook.once("a", Kept, lambda: Kept(np.zeros(1), 0))


def test_progress_is_silent_where_there_is_no_terminal(tmp_path, capsys):
    assert list(TensorBoardLogbook(tmp_path).progress([1, 2, 3], "depths")) == [1, 2, 3]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("process_of_a_sweep", [False, True])
def test_a_terminal_has_the_bar_of_one_process(process_of_a_sweep, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Console, "is_terminal", True)
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: object() if process_of_a_sweep else None)
    assert list(TensorBoardLogbook(tmp_path).progress([1, 2, 3], "depths")) == [1, 2, 3]
    assert ("depths" in capsys.readouterr().err) is not process_of_a_sweep


@pytest.fixture
def tensorboard(tmp_path):
    logbook = TensorBoardLogbook(tmp_path)
    logbook.scalars({"uniform/size": 1.5}, 5)
    logbook.scalars({"uniform/size": 2.5}, 6)
    logbook.map("uniform/map", a_map(20, 20), None, 5)
    figure = Figure(figsize=(3, 2), dpi=100)
    figure.subplots().plot([1, 2])
    logbook.figure("figure", figure, 0)
    logbook.conclude({"runs": 3}, {"slope": 0.5}, {})
    command = ["-m", "tensorboard.main", "--logdir", str(tmp_path), "--host", "127.0.0.1", "--port", "0"]
    # Its warnings are its own: this process turns them into errors, that one shall not.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONWARNINGS"}
    with subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stderr is not None
        yield next(found[1] for line in server.stderr if (found := re.search(r"(http://\S+:\d+/)", line)))
        server.terminate()


def test_a_tensorboard_server_shows_tags_and_an_image(tensorboard, tmp_path):
    def get(path: str, **query: str) -> bytes:
        with urllib.request.urlopen(f"{tensorboard}data/plugin/{path}?{urllib.parse.urlencode(query)}") as answer:
            return answer.read()

    deadline = time.monotonic() + 30
    while not (tags := json.loads(get("images/tags"))) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert set(tags["tensorboard"]) == {"uniform/map", "figure"}
    assert set(json.loads(get("scalars/tags"))["tensorboard"]) == {"uniform/size"}
    (image_of_figure,) = json.loads(get("images/images", run="tensorboard", tag="figure", sample="0"))
    (tmp_path / "figure.png").write_bytes(
        get("images/individualImage", blob_key=urllib.parse.parse_qs(image_of_figure["query"])["blob_key"][0])
    )
    with Image.open(tmp_path / "figure.png") as image:
        assert image.size == (300, 200)


def test_an_animation_has_a_frame_for_every_map(tmp_path):
    box = ((0, 5), (0, 6))
    maps = {
        f"epoch {n}": InfluenceMap(1 + n * np.eye(5, 6), Statistic.rms, (2.0, 2.0), box, samples=1) for n in range(3)
    }
    TensorBoardLogbook(tmp_path).animation("erf", maps)
    content = (tmp_path / "erf.gif").read_bytes()
    with Image.open(tmp_path / "erf.gif") as gif:
        frames = []
        for index in range(gif.n_frames):
            gif.seek(index)
            frames.append(np.asarray(gif.convert("RGB")))
        assert gif.info["loop"] == 0
    assert len(frames) == 3
    assert not np.array_equal(frames[0], frames[1])
    TensorBoardLogbook(tmp_path).animation("erf", maps)
    assert (tmp_path / "erf.gif").read_bytes() == content


def test_files_of_the_record_are_attached_and_lines_said(tmp_path, capsys):
    logbook = TensorBoardLogbook(tmp_path)
    logbook.attach("weights.safetensors", b"numbers")
    logbook.say("epoch 1 of 2")
    assert (tmp_path / "weights.safetensors").read_bytes() == b"numbers"
    assert capsys.readouterr().out == "epoch 1 of 2\n"


def test_a_training_is_kept_for_other_versions_of_the_code_which_are_listed(tmp_path):
    assert TensorBoardLogbook(tmp_path, "first").earlier_versions() == ()
    for version in ("first", "second", "second", "third"):
        folder = TensorBoardLogbook(tmp_path, version).training
        (folder / "last.pt").touch()
    last = TensorBoardLogbook(tmp_path, "third")
    assert last.earlier_versions() == ("first", "second")
    assert {path.name for path in last.training.iterdir()} == {"last.pt", "versions"}
    last.discard_partial()
    assert not folder.exists()


def test_a_training_lists_the_devices_of_its_earlier_parts(tmp_path):
    for version, device in (
        ("first", ""),
        ("first", "NVIDIA H200"),
        ("second", "NVIDIA H200"),
        ("second", "cpu (x, 2 cores)"),
    ):
        _ = TensorBoardLogbook(tmp_path, version, device).training
    last = TensorBoardLogbook(tmp_path, "second", "cpu (x, 2 cores)")
    assert (last.earlier_versions(), last.earlier_devices()) == (("first",), ("NVIDIA H200",))
