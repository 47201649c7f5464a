import numpy as np
import pytest
from scipy import stats

from erf import InvalidInput
from erf.maps.sampled_map import map_of_samples
from erf.maps.statistic import Statistic
from erf.metrics.jackknife import Estimate, jackknife


def one_map(moments, statistic=Statistic.mean_abs):
    return map_of_samples(np.asarray(moments, dtype=float), statistic, ((0, 1), (0, 1)), 0)


def test_jackknife_of_a_mean_is_the_t_interval():
    values = np.random.default_rng(4).exponential(1.0, 9)
    maps = [one_map([[[value]]]) for value in values]
    interval = jackknife(maps, lambda m: float(m.values[0, 0])).interval
    expected = stats.t.interval(0.95, 8, np.mean(values), stats.sem(values))
    np.testing.assert_allclose(interval, expected, rtol=1e-12)


@pytest.mark.slow
def test_jackknife_covers_a_nonlinear_quantity_as_often_as_it_says():
    rng = np.random.default_rng(5)
    hits = []
    for draws in rng.normal(0.0, 1.0, (800, 10, 20, 1, 1)) ** 2:
        maps = [one_map(draw, Statistic.rms) for draw in draws]
        low, high = jackknife(maps, lambda m: float(m.values[0, 0]) ** 3).interval
        hits.append(low <= 1.0 <= high)
    assert 0.925 < np.mean(hits) < 0.97


def test_jackknife_needs_two_maps_and_follows_their_numbers_of_samples():
    assert jackknife([one_map([[[1.0]]])], lambda m: 1.0).interval is None
    maps = [one_map([[[1.0]], [[1.0]]]), one_map([[[4.0]]]), one_map([[[1.0]]])]
    low, high = jackknife(maps, lambda m: float(m.values[0, 0])).interval
    assert (low + high) / 2 == pytest.approx(7 / 4)


def test_the_difference_of_two_numbers_of_the_same_images_is_paired():
    rng = np.random.default_rng(6)
    common, own = rng.normal(5.0, 2.0, 9), rng.normal(1.0, 0.1, 9)
    a = [one_map([[[value]]]) for value in common]
    b = [one_map([[[value + more]]]) for value, more in zip(common, own, strict=True)]
    apart = [jackknife(maps, lambda m: float(m.values[0, 0])) for maps in (a, b)]
    difference = apart[1].minus(apart[0])
    expected = stats.t.interval(0.95, 8, np.mean(own), stats.sem(own))
    np.testing.assert_allclose(difference.interval, expected, rtol=1e-9)
    assert Estimate(3.0, (1.0, 2.0)).minus(Estimate(1.0)).interval is None


def test_what_has_no_number_without_one_group_has_no_interval():
    maps = [one_map([[[0.0]]]), one_map([[[1.0]]])]

    def inverse(imap):
        if not imap.values.any():
            raise InvalidInput("0 everywhere")
        return 1 / float(imap.values[0, 0])

    assert jackknife(maps, inverse) == Estimate(1.0)
