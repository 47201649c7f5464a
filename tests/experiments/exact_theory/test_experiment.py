"""Maps against exact theory, at small size."""

import pytest

from erf.inits import Init
from experiments.exact_theory import experiment as exact_theory
from experiments.harness.experiment import load
from experiments.stacks.paper_stacks import Kind
from tests.experiments.smallest import smallest_run


@pytest.mark.parametrize("aggregation", [0, "sum", "random_sign"])
@pytest.mark.parametrize("init", [Init.he_normal, Init.glorot_uniform, Init.torch_default])
def test_it_finds_no_difference_where_there_is_none(aggregation, init):
    settings = {"runs": 400, "channels": 16, "input_channels": 2, "aggregation": aggregation, "init": init}
    result = smallest_run(load("exact_theory"), **settings)
    assert all(u.exact_difference < 1e-14 and u.measured_difference < 1e-6 for u in result.uniform)
    for random in result.random:
        assert random.largest_deviation < 5
        assert random.sigma == pytest.approx(random.predicted_sigma, rel=0.05)
        assert random.sigma_interval[0] < random.sigma < random.sigma_interval[1]
        assert random.runs + random.skipped == 400
    assert result.example_trf_sizes == (3, 5, 7, 9, 10)


def test_it_sees_a_wrong_total(monkeypatch):
    true = exact_theory.mean_square_total
    monkeypatch.setattr(exact_theory, "mean_square_total", lambda *of: 1.3 * true(*of))
    result = smallest_run(load("exact_theory"), runs=400, channels=16)
    assert result.of_kind(Kind.random).largest_deviation > 5
