"""Strided and dilated stacks against theory, at small size."""

import pytest

from experiments.harness.experiment import load
from experiments.subsampling.variants import Variant
from tests.experiments.smallest import smallest_run


@pytest.mark.parametrize(
    "variants",
    [
        [Variant.early_strides, Variant.dilation],
        pytest.param(list(Variant)[1:], marks=pytest.mark.slow),
    ],
    ids=["some", "all"],
)
def test_it_measures_what_theory_predicts(variants):
    result = smallest_run(load("subsampling"), variants=variants, runs=200, channels=8, depth=5)
    plain = result.of_variant(Variant.plain)
    for measured in result.variants:
        assert measured.size == pytest.approx(measured.predicted_size, rel=0.07)
        assert measured.sigma == pytest.approx(measured.predicted_sigma, rel=0.03)
        assert measured.kurtosis == pytest.approx(measured.predicted_kurtosis, abs=0.1)
        assert measured.size_interval[0] <= measured.size <= measured.size_interval[1]
        if measured is not plain:
            low, high = measured.excess
            assert low - 0.1 < measured.size - plain.size < high + 0.1  # counts of pixels are jagged
    assert plain.excess is None


def test_it_counts_a_grid_as_a_whole():
    """Of a map spread by dilation 2, each pixel is the plain map's; the holes between them count once averaged."""
    result = smallest_run(load("subsampling"), runs=20, depth=5, channels=8)
    plain, spread = (result.of_variant(variant) for variant in (Variant.plain, Variant.dilated_throughout))
    assert spread.peak_size == plain.peak_size
    assert spread.sigma == pytest.approx(2 * plain.sigma)
    assert spread.size == pytest.approx(2 * plain.size, rel=0.1)
    assert spread.holes == pytest.approx(1 - (11 / 21) ** 2)
    assert (plain.holes, plain.center_share, plain.period, spread.period) == (0, 1, 1, 2)


def test_it_predicts_every_placement():
    result = smallest_run(load("subsampling"), variants=[Variant.early_strides, Variant.late_strides])
    placements = {tuple(layers): size for layers, size in zip(*placed(result), strict=True)}
    assert set(placements) == {(1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)}
    assert placements[1, 2] == result.of_variant(Variant.early_strides).predicted_size
    assert placements[3, 4] == result.of_variant(Variant.late_strides).predicted_size
    assert (
        len(smallest_run(load("subsampling"), variants=[Variant.dilation], depth=24, subsampled=3).arrays["placements"])
        <= 1000
    )


def placed(result):
    return result.arrays["placements"].tolist(), result.arrays["placement_sizes"].tolist()
