import json
import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from erf.errors import InvalidInput
from experiments.harness import environment as environment_module
from experiments.harness import record
from experiments.harness.environment import Environment
from experiments.harness.experiment import ExperimentConfig
from experiments.harness.figure_file import write_figure
from experiments.harness.record import read_environment, read_record, write_record


class Colour(StrEnum):
    red = "red"
    blue = "blue"


@dataclass
class Config(ExperimentConfig):
    name: str = "toy"
    colours: list[Colour] = field(default_factory=lambda: [Colour.red])


@dataclass(frozen=True)
class Point:
    depth: int
    size: float


@dataclass(frozen=True)
class Result:
    config: Config
    points: tuple[Point, ...]
    slope: float | None
    arrays: dict[str, np.ndarray]

    def metrics(self) -> dict[str, float]:
        return {}

    def layout(self) -> dict[str, tuple[int | str, ...]]:
        return {"map": ("H", 1)}


RESULT = Result(Config(), (Point(5, 1 / 3), Point(10, 2.5e-300)), None, {"map": np.linspace(0, 1, 7)[:, None]})


@pytest.fixture
def environment():
    return Environment.now("cpu")


def test_a_record_is_read_as_it_was_written(tmp_path, environment):
    write_record(tmp_path, RESULT, environment)
    read = read_record(tmp_path, Result)
    assert replace(read, arrays={}) == replace(RESULT, arrays={})
    np.testing.assert_array_equal(read.arrays["map"], RESULT.arrays["map"])
    assert read_environment(tmp_path) == environment
    assert {path.name for path in tmp_path.iterdir()} == {"result.json", "arrays.npz", "environment.json"}


def test_the_same_result_gives_the_same_bytes(tmp_path, environment):
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        write_record(folder, RESULT, environment)
    for name in ("result.json", "arrays.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        figure = Figure()
        figure.subplots().plot([1, 2], [3, 4])
        write_figure(tmp_path / name, figure)
    for kind in ("png", "svg", "pdf"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_json_cannot_hold_is_refused_by_name(tmp_path, environment, number):
    with pytest.raises(InvalidInput, match=r"result\.points\[1\]\.size is not finite"):
        write_record(tmp_path, replace(RESULT, points=(Point(1, 1.0), Point(2, number))), environment)
    assert list(tmp_path.iterdir()) == []


def _break_type(folder: Path) -> None:
    _without_checksums(folder)
    path = folder / "result.json"
    path.write_text(path.read_text().replace('"depth": 10', '"depth": "ten"'))


def _drop_key(folder: Path) -> None:
    _without_checksums(folder)
    path = folder / "result.json"
    path.write_text(path.read_text().replace('"depth": 10,', ""))


def _without_checksums(folder: Path) -> None:
    path = folder / "environment.json"
    about = json.loads(path.read_text())
    del about["checksums"]
    path.write_text(json.dumps(about))


def _cut(name: str):
    def cut(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:-60])

    return cut


def _remove(name: str):
    return lambda folder: (folder / name).unlink()


def _replace_by_folder(name: str):
    def replace_by_folder(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return replace_by_folder


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_break_type, r"result\.json .*points\[1\]\.depth"),
        (_drop_key, r"result\.json .*`depth`.*points\[1\]"),
        (_cut("result.json"), r"result\.json is damaged"),
        (_cut("arrays.npz"), r"arrays\.npz is damaged"),
        (_remove("result.json"), r"result\.json is missing"),
        (_remove("arrays.npz"), r"arrays\.npz is missing"),
        (_replace_by_folder("result.json"), r"result\.json cannot be read: Is a directory$"),
        (_replace_by_folder("arrays.npz"), r"arrays\.npz cannot be read: Is a directory$"),
        (_replace_by_folder("environment.json"), r"environment\.json cannot be read: Is a directory$"),
    ],
)
def test_a_damaged_record_is_named_with_its_reason(tmp_path, environment, damage, message):
    write_record(tmp_path, RESULT, environment)
    damage(tmp_path)
    with pytest.raises(InvalidInput, match=message):
        read_record(tmp_path, Result)


def test_arrays_of_objects_are_not_read(tmp_path):
    np.savez(tmp_path / "arrays.npz", a=np.array([{}], dtype=object))
    with pytest.raises(InvalidInput, match="damaged"):
        record.decode_arrays(tmp_path / "arrays.npz")


def test_outside_a_checkout_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(environment_module, "ROOT", tmp_path)
    outside = Environment.now("cpu")
    assert outside.commit is None
    assert outside.dirty is None


def test_a_device_that_is_absent_is_refused():
    with pytest.raises(InvalidInput, match="device"):
        Environment.now("cuda:99")
