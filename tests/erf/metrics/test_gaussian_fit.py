import numpy as np
import pytest

from erf import InvalidInput, fit_gaussian, theory
from erf.maps.statistic import Statistic
from erf.metrics.gaussian_fit import map_moments
from tests.oracles.maps import gaussian, map_of, marginal_moments


def covariance(sigmas, seed=0):
    """A turned one: its axes are not those of the image."""
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(sigmas),) * 2))
    return turn @ np.diag(np.square(sigmas)) @ turn.T


@pytest.mark.parametrize(
    ("shape", "center", "sigmas"),
    [
        ((60,), (27.3,), (4.2,)),
        ((41, 57), (20.0, 28.0), (5.0, 5.0)),
        ((61, 51), (28.4, 25.7), (3.0, 7.5)),
        ((25, 29, 27), (12.2, 13.9, 13.0), (2.0, 3.0, 4.5)),
    ],
)
@pytest.mark.parametrize("amplitude", [1e-9, 3.0, 1e12])
def test_a_gaussian_is_found_again(shape, center, sigmas, amplitude):
    expected = covariance(sigmas)
    fit = fit_gaussian(map_of(amplitude * gaussian(shape, center, expected)))
    np.testing.assert_allclose(fit.center, center, atol=1e-6)
    np.testing.assert_allclose(fit.covariance, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(fit.sigma, np.sqrt(np.diag(expected)), rtol=1e-6)
    assert fit.amplitude == pytest.approx(amplitude, rel=1e-6)
    assert fit.r_squared == pytest.approx(1, abs=1e-10)


def test_moments_of_a_gaussian():
    expected = covariance((2.5, 4.0))
    moments = fit_gaussian(map_of(gaussian((61, 61), (29.2, 31.6), expected))).moments
    np.testing.assert_allclose(moments.center, (29.2, 31.6), atol=1e-6)
    np.testing.assert_allclose(moments.covariance, expected, rtol=1e-6)
    np.testing.assert_allclose(moments.sigma, np.sqrt(np.diag(expected)), rtol=1e-6)
    np.testing.assert_allclose(moments.excess_kurtosis, 0, atol=1e-4)


def test_moments_by_hand():
    rng = np.random.default_rng(1)
    values = rng.random((7, 9))
    moments = map_moments(map_of(values))
    means, variances = marginal_moments(values)
    np.testing.assert_allclose(moments.center, means, rtol=1e-13)
    np.testing.assert_allclose(np.diag(moments.covariance), variances, rtol=1e-13)
    rows, columns = np.indices(values.shape)
    p = values / values.sum()
    assert moments.covariance[0, 1] == pytest.approx((p * (rows - means[0]) * (columns - means[1])).sum(), rel=1e-12)
    fourth = (p * (columns - means[1]) ** 4).sum() / variances[1] ** 2 - 3
    assert moments.excess_kurtosis[1] == pytest.approx(fourth, rel=1e-12)


def test_the_kurtosis_of_a_box_and_of_its_convolutions():
    """-1.2 (1 + 2 / (k^2 - 1)) for k equal values, and the n-th part of it for n layers."""
    wide = theory.influence_map([theory.ConvLayer(201)])
    np.testing.assert_allclose(map_moments(wide).excess_kurtosis, -1.2, atol=1e-4)
    for depth in (1, 4, 25):
        deep = theory.influence_map([theory.ConvLayer(3)] * depth)
        np.testing.assert_allclose(map_moments(deep).excess_kurtosis, -1.5 / depth, rtol=1e-10)


def test_r_squared_by_hand():
    rng = np.random.default_rng(2)
    values = gaussian((25, 27), (12, 13), covariance((3, 4))) + 0.2 * rng.random((25, 27))
    fit = fit_gaussian(map_of(values))
    model = fit.amplitude * gaussian((25, 27), fit.center, fit.covariance)
    expected = 1 - ((values - model) ** 2).sum() / ((values - values.mean()) ** 2).sum()
    assert fit.r_squared == pytest.approx(expected, abs=1e-10)
    assert 0.5 < fit.r_squared < 0.99


def test_no_other_gaussian_is_nearer():
    rng = np.random.default_rng(3)
    values = gaussian((21, 21), (9.5, 11), covariance((3, 4))) + 0.3 * rng.random((21, 21))
    fit = fit_gaussian(map_of(values))

    def distance(amplitude, center, spread):
        return ((values - amplitude * gaussian((21, 21), center, spread)) ** 2).sum()

    least = distance(fit.amplitude, fit.center, fit.covariance)
    for step in (1e-3, -1e-3):
        assert distance(fit.amplitude * (1 + step), fit.center, fit.covariance) > least
        assert distance(fit.amplitude, fit.center + np.array([step * 10, 0]), fit.covariance) > least
        assert distance(fit.amplitude, fit.center + np.array([0, step * 10]), fit.covariance) > least
        assert distance(fit.amplitude, fit.center, fit.covariance * (1 + step)) > least
        assert distance(fit.amplitude, fit.center, fit.covariance + step * 10 * np.eye(2)[::-1]) > least


def test_only_the_trf_within_the_image_is_fitted():
    """Outside the box the map is far from a Gaussian; the box itself leaves the image."""
    values = gaussian((40, 40), (8, 20), np.diag([16.0, 9.0]))
    values[30:], values[:, :8] = 5, 5
    fit = fit_gaussian(map_of(values, center=(8, 20), box=((-12, 29), (9, 32))))
    np.testing.assert_allclose(fit.center, (8, 20), atol=1e-6)
    np.testing.assert_allclose(fit.covariance, np.diag([16.0, 9.0]), atol=1e-5)


def test_deep_uniform_stacks_are_nearly_gaussian():
    layers = [theory.ConvLayer(3)] * 40
    fit = fit_gaussian(theory.influence_map(layers, "signed_mean"))
    assert fit.r_squared > 0.9999
    np.testing.assert_allclose(fit.sigma, theory.gaussian_sigma(layers, "signed_mean"), rtol=0.01)
    np.testing.assert_allclose(fit.moments.sigma, theory.gaussian_sigma(layers, "signed_mean"), rtol=1e-12)


def test_maps_without_a_gaussian():
    with pytest.raises(InvalidInput, match="negative values"):
        fit_gaussian(map_of(-np.ones((5, 5)), statistic=Statistic.signed_mean))
    with pytest.raises(InvalidInput, match="0 everywhere"):
        fit_gaussian(map_of(np.zeros((5, 5))))
    with pytest.raises(InvalidInput, match="0 everywhere on the unit's TRF"):
        fit_gaussian(map_of(np.eye(9)[:1].T @ np.ones((1, 9)), box=((3, 9), (0, 9))))
    with pytest.raises(InvalidInput, match="no extent along an axis"):
        fit_gaussian(map_of(np.ones((1, 9))))
    with pytest.raises(InvalidInput, match="cannot be fitted to 6 pixels"):
        fit_gaussian(map_of(np.ones((2, 3))))


def test_equal_values_have_moments_but_no_gaussian():
    """One uniform layer: the nearest Gaussian is infinitely wide."""
    flat = theory.influence_map([theory.ConvLayer(3)])
    with pytest.raises(InvalidInput, match="same value"):
        fit_gaussian(flat)
    np.testing.assert_allclose(map_moments(flat).covariance, np.eye(2) * 2 / 3, rtol=1e-12, atol=1e-15)


def test_a_line_across_the_axes_has_no_gaussian():
    with pytest.raises(InvalidInput, match="line"):
        fit_gaussian(map_of(np.eye(9)))


@pytest.mark.parametrize(
    "values", [[[1, 1, 1], [1, 1, 1], [0, 0, 0]], [[0, 0, 1], [0, 1, 1], [1, 1, 0]]], ids=["bar", "diagonal"]
)
def test_a_map_whose_nearest_gaussian_never_ends(values):
    with pytest.raises(InvalidInput, match="endlessly wide or narrow"):
        fit_gaussian(map_of(values))
