"""The rules of our own claims, on made-up stages, and where their table stands."""

import numpy as np
import pytest

from experiments.claims import OURS, Verdict, own_rows, short_table, table
from experiments.expected_maps.experiment import Config, Result, Stage, Way
from experiments.harness.environment import Environment
from experiments.harness.record import write_record
from tests.experiments.claims.recorded import recorded_own_rows, recorded_rows
from tests.experiments.claims.test_claims import LONGEST

NETWORKS = ["wavenet_16", "wavenet_64"]


def stage(network, way=Way.as_it_is, interval=(-0.01, 0.01), deviation=3.0, exact=False, **settings):
    low, high = interval
    settings = {"layer": "last", "draws": 96, "sigma": 10.0, "expected_sigma": 10 * (1 + (low + high) / 2)} | settings
    sizes = {"size": 20.0, "expected_size": 20.0, "total": 1.0, "pixels": 128, "trf_size": 128}
    findings = () if exact else ("approximate",)
    return Stage(network, way, error_interval=interval, deviation=deviation, findings=findings, **settings, **sizes)


def linear(**settings):
    return [stage(network, Way.linear, exact=True, **settings) for network in NETWORKS]


@pytest.fixture
def judged(tmp_path):
    """Return what judges a record of these stages."""

    def judge(*stages):
        arrays = {f"{kind}/{network}": np.ones(256) for kind in ("map", "theory") for network in NETWORKS}
        (tmp_path / "expected_maps").mkdir(exist_ok=True)
        record = Result(Config(networks=NETWORKS), stages, arrays)
        write_record(tmp_path / "expected_maps", record, Environment.now("cpu"))
        return own_rows(tmp_path)

    return judge


@pytest.mark.parametrize(
    ("interval", "holds"),
    [((-0.019, 0.019), True), ((-0.021, 0.01), False), ((0.0, 0.021), False), ((0.03, 0.04), False)],
)
def test_sigma_passes_where_the_interval_of_each_layer_lies_within_two_per_cent(judged, interval, holds):
    worst = stage("wavenet_16", interval=interval, layer="dilated.3")
    x1, _ = judged(worst, stage("wavenet_16"), stage("wavenet_64"), *linear(interval=(-1.0, 1.0)))
    assert [part.holds for part in x1.parts] == [holds, True]
    assert x1.parts[0].intervals == (interval, (-0.01, 0.01))
    assert x1.parts[0].measured.startswith("wavenet_16, dilated.3: σ off by")
    assert x1.answer().startswith("the largest error of 2 networks: wavenet_16 ")
    assert x1.verdict is (Verdict.reproduced if holds else Verdict.qualified)


@pytest.mark.parametrize(("deviation", "holds"), [(4.9, True), (5.1, False)])
def test_pixels_pass_up_to_five_standard_errors(judged, deviation, holds):
    first, second = linear()
    far = stage("wavenet_64", Way.linear, exact=True, deviation=deviation)
    _, x2 = judged(*map(stage, NETWORKS), first, far, second)
    assert [part.holds for part in x2.parts] == [True, holds]
    assert f"wavenet_64, linear, last: {deviation} standard errors" in x2.parts[1].measured
    assert x2.answer() == f"no pixel of 2 networks more than {deviation} standard errors off"


def test_only_layers_for_which_theory_is_exact_count_for_pixels(judged):
    exact = stage("wavenet_16", exact=True, deviation=3.5)
    _, x2 = judged(exact, *(stage(network, deviation=9.0) for network in NETWORKS), *linear())
    assert [part.brief for part in x2.parts] == [
        "wavenet_16: 3.5",
        "wavenet_16, linear: 3.0",
        "wavenet_64, linear: 3.0",
    ]
    assert x2.verdict is Verdict.reproduced


def test_they_stand_apart_and_no_count_of_the_paper_s_has_them():
    ours = [row.id for row in recorded_own_rows()]
    assert ours == ["X1", "X2"]
    assert len(OURS) == 2
    assert not {*ours} & {row.id for row in recorded_rows()}
    of_paper, _, of_ours = table().partition("## Claims of our own")
    for id in ours:
        assert f"| {id} |" in of_ours
        assert f"| {id} |" not in of_paper
        assert id not in short_table()


def test_rows_of_the_record_are_short_and_name_their_command():
    for row in recorded_own_rows():
        assert len(row.headline()) <= LONGEST
        assert "`python run.py experiment=expected_maps`" in row.markdown()


def test_without_a_record_nothing_is_decided(tmp_path):
    assert [row.verdict for row in own_rows(tmp_path)] == [Verdict.not_measured] * 2


def test_their_notes_stand_below_their_table():
    (note,) = {row.note for row in recorded_own_rows() if row.note}
    assert f"**X2**: {note}" in table().partition("## Claims of our own")[2].replace("\n", " ")
