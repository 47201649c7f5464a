import numpy as np
import pytest
from matplotlib.patches import Ellipse, Rectangle

from erf import InfluenceMap, fit_gaussian
from erf.maps.statistic import Statistic
from erf.plotting import draw_map
from tests.figures import Panel, Shown, assert_shows, box, ellipse, image

CENTER, COVARIANCE = np.array([17.0, 24.0]), np.array([[9.0, 8.0], [8.0, 25.0]])


@pytest.fixture
def tilted():
    points = np.stack(np.mgrid[:40, :50], -1) - CENTER
    values = np.exp(-0.5 * np.einsum("...i,ij,...j", points, np.linalg.inv(COVARIANCE), points))
    return InfluenceMap(values, Statistic.mean_abs, tuple(CENTER), ((-1, 36), (3, 46)), samples=1)


def patches(imap, kind):
    (axes, _bar) = draw_map(imap, fit_gaussian(imap)).axes
    return [patch for patch in axes.patches if isinstance(patch, kind)]


def test_the_contour_is_where_the_gaussian_falls_to_the_threshold(tilted):
    (ellipse,) = patches(tilted, Ellipse)
    outline = ellipse.get_path().vertices[:-1]  # the last one closes the path
    columns, rows = ellipse.get_patch_transform().transform(outline).T
    offsets = np.stack([rows, columns], -1) - CENTER
    values = np.exp(-0.5 * np.einsum("...i,ij,...j", offsets, np.linalg.inv(COVARIANCE), offsets))
    on_curve = np.isclose(np.hypot(*outline.T), 1, atol=1e-6)  # the others steer a Bezier curve
    assert on_curve.sum() >= 8
    np.testing.assert_allclose(values[on_curve], 1 - 0.9545, rtol=1e-4)


def test_the_dashed_box_holds_the_pixels_of_the_theoretical_field(tilted):
    (box,) = patches(tilted, Rectangle)
    assert (box.get_x(), box.get_y(), box.get_width(), box.get_height()) == (2.5, -1.5, 43, 37)


def test_a_signed_map_has_0_in_the_middle_of_its_scale(tilted):
    signed = InfluenceMap(tilted.values - 0.5, Statistic.signed_mean, tuple(CENTER), tilted.trf_box, samples=1)
    (image,) = draw_map(signed).axes[0].images
    assert image.get_clim() == (-1, 1)
    (image,) = draw_map(tilted).axes[0].images
    assert image.get_clim() == (0, 1)


@pytest.mark.parametrize("with_fit", [False, True])
def test_the_figure_shows_the_map_over_its_peak_the_box_and_the_fit(tilted, with_fit):
    imap = InfluenceMap(3 * tilted.values, Statistic.rms, tilted.center, tilted.trf_box, samples=1)
    fit = fit_gaussian(imap)
    panel = Panel(
        [image(tilted.values), box(2.5, -1.5, 43, 37), *([ellipse(fit)] if with_fit else [])],
        xlabel="column (pixels)",
        ylabel="row (pixels)",
    )
    bar = ("rms of the influence / peak", 0, 1)
    assert_shows(draw_map(imap, fit if with_fit else None), Shown([panel], colour_bars=[bar]))
