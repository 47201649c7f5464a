"""The figure of erf_growth, from the committed records."""

import pytest

from experiments.erf_growth.experiment import Result
from experiments.erf_growth.figure import draw
from experiments.harness.reference import reference


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("erf_growth", "slope over depths 5-40; the paper: 0.56"),
        ("erf_growth_deep", "slope over depths 40-100; the paper over 5-40: 0.56"),
    ],
)
def test_the_figure_names_the_depths_of_its_slopes(name, title):
    size = draw(reference(name, Result)).axes[0]
    assert size.get_title() == title
    assert all("theory" in text.get_text() for text in size.get_legend().get_texts())
