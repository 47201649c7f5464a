"""Growth at small size, and the figure of the committed records."""

import pytest

from experiments.erf_growth.experiment import Result
from experiments.erf_growth.figure import draw
from experiments.harness.experiment import load
from experiments.harness.reference import reference
from experiments.stacks.paper_stacks import Kind
from tests.experiments.smallest import smallest_run


@pytest.mark.parametrize(
    ("name", "depths"),
    [("erf_growth", "over depths 5 to 40"), ("erf_growth_deep", "over depths 40 to 100")],
)
def test_the_figure_names_the_depths_of_its_slopes(name, depths):
    title = " ".join(draw(reference(name, Result)).get_suptitle().split())
    assert depths in title
    assert "the paper: 0.56 over depths 5 to 40" in title


def test_it_has_no_slope_below_three_depths():
    experiment = load("erf_growth")
    result = smallest_run(experiment, depths=[2, 3])
    assert result.slopes == ()
    assert all(point.size_interval for point in result.of_kind(Kind.random))


def test_it_measures_what_theory_predicts_for_uniform_stacks():
    result = smallest_run(load("erf_growth"), kinds=[Kind.uniform], depths=[5, 10, 20], kernel_size=3)
    for point in result.points:
        assert point.size == point.predicted_size
        assert (point.runs, point.skipped, point.size_interval) == (1, 0, None)
    assert [point.trf_size for point in result.points] == [11, 21, 41]


def test_even_kernels_are_measured():
    result = smallest_run(load("erf_growth"), kinds=[Kind.uniform], depths=[3, 8, 15], kernel_size=2)
    assert [point.trf_size for point in result.points] == [4, 9, 16]
    assert [point.size for point in result.points] == [point.predicted_size for point in result.points]
