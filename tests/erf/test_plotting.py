import numpy as np
import pytest
from matplotlib.patches import Ellipse, Rectangle

from erf import InfluenceMap, InvalidInput, fit_gaussian
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


def three_axes():
    """Return a Gaussian of three axes, tilted in rows and columns."""
    center, covariance = np.array([6.0, 10.0, 12.0]), np.array([[4.0, 0, 0], [0, 6, 3], [0, 3, 9]])
    points = np.stack(np.mgrid[:14, :20, :26], -1) - center
    values = 5 * np.exp(-0.5 * np.einsum("...i,ij,...j", points, np.linalg.inv(covariance), points))
    box = ((-2, 15), (3, 18), (2, 23))
    return InfluenceMap(values, Statistic.mean_abs, tuple(center), box, samples=1), covariance


def test_a_map_of_three_axes_is_seen_from_three_sides_on_one_scale():
    imap, covariance = three_axes()
    *panels, bar = draw_map(imap, fit_gaussian(imap)).axes
    names = ("depth", "row", "column")
    for along, axes in enumerate(panels):
        rows, columns = (axis for axis in range(3) if axis != along)
        (image,) = axes.images
        np.testing.assert_array_equal(image.get_array(), imap.values.max(along) / imap.values.max())
        assert image.get_clim() == (0, 1)
        assert axes.get_title() == f"largest along {names[along]}"
        assert (axes.get_ylabel(), axes.get_xlabel()) == (f"{names[rows]} (pixels)", f"{names[columns]} (pixels)")
        (outline,) = (patch for patch in axes.patches if isinstance(patch, Rectangle))
        (top, bottom), (left, right) = imap.trf_box[rows], imap.trf_box[columns]
        assert (outline.get_y(), outline.get_x()) == (top - 0.5, left - 0.5)
        assert (outline.get_height(), outline.get_width()) == (bottom - top, right - left)
        (contour,) = (patch for patch in axes.patches if isinstance(patch, Ellipse))
        outline = contour.get_path().vertices[:-1]
        x, y = contour.get_patch_transform().transform(outline[np.isclose(np.hypot(*outline.T), 1, atol=1e-6)]).T
        offsets = np.stack([y, x], -1) - np.array(imap.center)[[rows, columns]]
        inverse = np.linalg.inv(covariance[np.ix_([rows, columns], [rows, columns])])  # that of a shadow
        reached = np.exp(-0.5 * np.einsum("...i,ij,...j", offsets, inverse, offsets))
        np.testing.assert_allclose(reached, 1 - 0.9545, rtol=1e-4)
    assert bar.get_ylabel() == "mean_abs of the influence / peak"


def test_the_sides_of_a_signed_map_keep_the_sign_of_what_is_largest():
    values = np.zeros((3, 4, 5))
    values[1, 2, 3], values[0, 2, 3] = -2, 1
    imap = InfluenceMap(values, Statistic.signed_mean, (1, 2, 2), ((0, 3), (0, 4), (0, 5)), samples=1)
    (image,) = draw_map(imap).axes[0].images
    assert image.get_array()[2, 3] == -1
    assert image.get_clim() == (-1, 1)


def test_a_map_of_one_axis_is_a_curve_over_the_span_of_the_field():
    places = np.arange(60.0)
    values = 3 * np.exp(-((places - 20) ** 2) / (2 * 16))
    imap = InfluenceMap(values, Statistic.rms, (20.0,), ((-4, 41),), samples=1)
    (axes,) = draw_map(imap, fit_gaussian(imap)).axes
    curve, fit = axes.lines
    np.testing.assert_array_equal(curve.get_ydata(), values / 3)
    np.testing.assert_allclose(fit.get_ydata(), np.exp(-((fit.get_xdata() - 20) ** 2) / 32), atol=1e-6)
    (span,) = axes.patches
    assert (span.get_x(), span.get_width()) == (-4.5, 45)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["TRF", "influence", "Gaussian fit"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("position (pixels)", "rms of the influence / peak")
    assert axes.get_xlim() == (-0.5, 59.5)


def test_more_axes_are_refused():
    imap = InfluenceMap(np.ones((2, 2, 2, 2)), Statistic.rms, (0, 0, 0, 0), ((0, 2),) * 4, samples=1)
    with pytest.raises(
        InvalidInput, match=r"only maps of 1, 2 or 3 axes can be drawn, not one of shape \(2, 2, 2, 2\)"
    ):
        draw_map(imap)
