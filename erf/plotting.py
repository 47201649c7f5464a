"""Drawing influence maps with their Gaussian contours and the boxes of their TRFs (needs matplotlib)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import NoneType

import numpy as np

from erf.arguments import require_type, shown
from erf.errors import InvalidInput, extra
from erf.maps.influence_map import InfluenceMap
from erf.metrics.erf_size import TWO_SIGMA_MASS
from erf.metrics.gaussian_fit import GaussianFit

with extra("plot"):
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.patches import Ellipse, Rectangle

__all__ = ["draw_map", "draw_map_on", "draw_maps"]

PER_ROW, PANEL = 4, 1.9  # maps in a row of a figure, and inches of each

NAMES: dict[int, tuple[str, ...]] = {
    1: ("position",),
    2: ("row", "column"),
    3: ("depth", "row", "column"),
}  # of a map's axes
SIDES: tuple[tuple[int, int], ...] = ((1, 2), (0, 2), (0, 1))  # the axes that are seen from each side of a map of three
FIT_COLOUR = "#56B4E9"


def draw_map(imap: InfluenceMap, fit: GaussianFit | None = None) -> Figure:
    """Return a figure of a map, whose peak is 1.

    A map of one axis is a curve; the TRF is the shaded span. One of two axes is an image; see :func:`draw_map_on`.
    One of three is seen from three sides: each panel shows the largest value along the axis that it looks along, all
    on one colour scale. The blue line is the Gaussian fit: its curve, or where it falls to the paper's threshold.

    Raises:
        InvalidInput: The map has more than three axes.
    """
    require_type(InfluenceMap, imap=imap)
    require_type(GaussianFit, NoneType, fit=fit)
    drawn = {1: _curve, 2: _image, 3: _three_sides}.get(imap.values.ndim)
    if drawn is None:
        raise InvalidInput(f"only maps of 1, 2 or 3 axes can be drawn, not one of shape {imap.values.shape}")
    return drawn(imap, fit)


def draw_map_on(axes: Axes, imap: InfluenceMap, fit: GaussianFit | None = None) -> AxesImage:
    """Draw a two-dimensional map on ``axes``: its peak is 1 on the colour scale.

    The dashed rectangle is the TRF's box; with a fit, the line is where the Gaussian falls to the paper's threshold,
    (1 - 0.9545) of its peak.

    Returns:
        The image, for a colour bar.

    Raises:
        InvalidInput: The map does not have two axes.
    """
    require_type(Axes, axes=axes)
    require_type(InfluenceMap, imap=imap)
    require_type(GaussianFit, NoneType, fit=fit)
    if imap.values.ndim != 2:
        raise InvalidInput(f"only maps of rows and columns can be drawn, not one of shape {imap.values.shape}")
    return _draw_plane(axes, imap, fit, (0, 1))


def draw_maps(maps: Sequence[InfluenceMap], titles: Sequence[str], fits: Sequence[GaussianFit | None]) -> Figure:
    """Return a figure of several maps of as many axes, each drawn as :func:`draw_map` draws it, below its title.

    Raises:
        InvalidInput: The maps have more than three axes.
    """
    require_type(list, tuple, maps=maps, titles=titles, fits=fits)
    if not len(maps) == len(titles) == len(fits):
        raise InvalidInput(f"titles={shown(titles)}, fits={shown(fits)}: allowed are one for each of {len(maps)} maps")
    for imap, title, fit in zip(maps, titles, fits, strict=True):
        require_type(InfluenceMap, maps=imap)
        require_type(str, titles=title)
        require_type(GaussianFit, NoneType, fits=fit)
    ndims = {imap.values.ndim for imap in maps}
    if len(ndims) != 1 or not ndims <= NAMES.keys():
        raise InvalidInput(f"maps={shown(maps)}: allowed are maps that all have 1, 2 or 3 axes")
    (ndim,) = ndims
    columns = {1: 1, 2: min(len(maps), PER_ROW), 3: 1}[ndim]
    rows, width = -(-len(maps) // columns), len(SIDES) if ndim == 3 else 1
    figure = Figure(
        figsize=(max(PANEL * columns * width, 5) + 0.6, (PANEL + 0.6) * rows), dpi=150, layout="constrained"
    )
    panels = figure.subplots(rows, columns * width, squeeze=False)
    for axes in panels.flat[len(maps) * width :]:
        axes.set_axis_off()
    images = []
    for imap, title, fit, at in zip(maps, titles, fits, range(0, len(maps) * width, width), strict=True):
        own: list[Axes] = list(panels.flat[at : at + width])
        if ndim == 1:
            _curve_on(own[0], imap, fit)
        else:
            images += _planes_on(own, imap, fit)
        own[0].set_title(title, fontsize=8)
        for axes in own:
            axes.tick_params(labelsize=7)
            axes.set_xlabel(axes.get_xlabel(), fontsize=8)
            axes.set_ylabel(axes.get_ylabel(), fontsize=8)
    if images:
        bar = figure.colorbar(images[0], ax=list(panels.flat), fraction=0.02)
        bar.set_label("influence / peak", fontsize=8)
        bar.ax.tick_params(labelsize=7)
    return figure


def _planes_on(panels: Sequence[Axes], imap: InfluenceMap, fit: GaussianFit | None) -> list[AxesImage]:
    planes = SIDES if imap.values.ndim == 3 else ((0, 1),)
    return [_draw_plane(axes, imap, fit, plane) for axes, plane in zip(panels, planes, strict=True)]


def _image(imap: InfluenceMap, fit: GaussianFit | None) -> Figure:
    figure = Figure(figsize=(4, 3.6), layout="constrained")
    axes = figure.subplots()
    figure.colorbar(draw_map_on(axes, imap, fit), ax=axes, label=_label(imap))
    return figure


def _curve(imap: InfluenceMap, fit: GaussianFit | None) -> Figure:
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    _curve_on(figure.subplots(), imap, fit)
    return figure


def _curve_on(axes: Axes, imap: InfluenceMap, fit: GaussianFit | None) -> None:
    ((first, end),), (side,) = imap.trf_box, imap.values.shape
    axes.axvspan(first - 0.5, end - 0.5, color="0.9", label="TRF")
    axes.plot(_of_peak(imap), color="black", lw=1.2, label="influence")
    if fit is not None:
        places = np.linspace(-0.5, side - 0.5, 1000)
        gaussian = fit.amplitude * np.exp(-((places - fit.center[0]) ** 2) / (2 * fit.covariance[0, 0]))
        axes.plot(places, gaussian / (np.abs(imap.values).max() or 1.0), color=FIT_COLOUR, lw=1.2, label="Gaussian fit")
    axes.set_xlim(-0.5, side - 0.5)
    axes.set_xlabel("position (pixels)")
    axes.set_ylabel(_label(imap))
    axes.legend(frameon=False)


def _three_sides(imap: InfluenceMap, fit: GaussianFit | None) -> Figure:
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    panels = figure.subplots(1, 3)
    images = _planes_on(panels, imap, fit)
    for axes, along in zip(panels, NAMES[3], strict=True):
        axes.set_title(f"largest along {along}", fontsize=10)
    figure.colorbar(images[0], ax=list(panels), label=_label(imap))
    return figure


def _draw_plane(axes: Axes, imap: InfluenceMap, fit: GaussianFit | None, plane: Sequence[int]) -> AxesImage:
    """Draw two of the map's axes, the largest along the others."""
    values = _of_peak(imap)
    signed = bool((values < 0).any())
    for axis in set(range(values.ndim)) - set(plane):
        largest = np.abs(values).argmax(axis, keepdims=True)
        values = np.take_along_axis(values, largest, axis).squeeze(axis)
    image = axes.imshow(
        values, cmap="RdBu_r" if signed else "magma", vmin=-1.0 if signed else 0.0, vmax=1.0, interpolation="nearest"
    )
    (top, bottom), (left, right) = (imap.trf_box[axis] for axis in plane)
    axes.add_patch(
        Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, ls="--", ec="white", lw=0.8)
    )
    if fit is not None:
        axes.add_patch(_contour(fit, plane))
    rows, columns = values.shape
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_ylabel(f"{NAMES[imap.values.ndim][plane[0]]} (pixels)")
    axes.set_xlabel(f"{NAMES[imap.values.ndim][plane[1]]} (pixels)")
    return image


def _of_peak(imap: InfluenceMap) -> np.ndarray:
    return imap.values / (np.abs(imap.values).max() or 1.0)


def _label(imap: InfluenceMap) -> str:
    return f"{imap.statistic} of the influence / peak"


def _contour(fit: GaussianFit, plane: Sequence[int]) -> Ellipse:
    """Return the outline, seen along the other axes, of where the Gaussian is above the threshold."""
    variances, directions = np.linalg.eigh(np.asarray(fit.covariance)[np.ix_(plane, plane)])
    radius = math.sqrt(-2 * math.log(1 - TWO_SIGMA_MASS))
    height, width = 2 * radius * np.sqrt(variances)
    # The last eigenvector is the width's; a row index grows downwards, as angles on an image do.
    angle = math.degrees(math.atan2(directions[0, 1], directions[1, 1]))
    row, column = (fit.center[axis] for axis in plane)
    return Ellipse((column, row), width, height, angle=angle, fill=False, ec=FIT_COLOUR, lw=1.2)
