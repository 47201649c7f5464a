"""Drawing influence maps with their Gaussian contours and the boxes of their TRFs (needs matplotlib)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import NoneType

import numpy as np

from erf.arguments import require_type
from erf.errors import InvalidInput
from erf.extras import extra
from erf.maps.influence_map import InfluenceMap
from erf.metrics.erf_size import TWO_SIGMA_MASS
from erf.metrics.gaussian_fit import GaussianFit

with extra("plot"):
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.patches import Ellipse, Rectangle

__all__ = ["draw_map", "draw_map_on", "draw_maps"]

PER_ROW, PANEL = 4, 2.6  # maps in a row of a figure, and inches of each


def draw_map(imap: InfluenceMap, fit: GaussianFit | None = None) -> Figure:
    """Return a figure of a two-dimensional map; see :func:`draw_map_on`."""
    figure = Figure(figsize=(4, 3.6), layout="constrained")
    axes = figure.subplots()
    image = draw_map_on(axes, imap, fit)
    figure.colorbar(image, ax=axes, label=f"{imap.statistic} of the influence / peak")
    return figure


def draw_map_on(axes: Axes, imap: InfluenceMap, fit: GaussianFit | None = None) -> AxesImage:
    """Draw a two-dimensional map on ``axes``: its peak is 1 on the colour scale.

    The dashed rectangle is the TRF's box; with a fit, the line is where the Gaussian falls to the paper's threshold,
    (1 - 0.9545) of its peak.

    Returns:
        The image, for a colour bar.

    Raises:
        InvalidInput: The map does not have two axes.
    """
    require_type(InfluenceMap, imap=imap)
    require_type(GaussianFit, NoneType, fit=fit)
    if imap.values.ndim != 2:
        raise InvalidInput(f"only maps of rows and columns can be drawn, not one of shape {imap.values.shape}")
    rows, columns = imap.values.shape
    signed = bool((imap.values < 0).any())
    shown = imap.values / (np.abs(imap.values).max() or 1.0)
    image = axes.imshow(
        shown, cmap="RdBu_r" if signed else "magma", vmin=-1.0 if signed else 0.0, vmax=1.0, interpolation="nearest"
    )
    (top, bottom), (left, right) = imap.trf_box
    axes.add_patch(
        Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, ls="--", ec="white", lw=0.8)
    )
    if fit is not None:
        axes.add_patch(_contour(fit))
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_xlabel("column (pixels)")
    axes.set_ylabel("row (pixels)")
    return image


def _contour(fit: GaussianFit) -> Ellipse:
    variances, directions = np.linalg.eigh(fit.covariance)
    radius = math.sqrt(-2 * math.log(1 - TWO_SIGMA_MASS))
    height, width = 2 * radius * np.sqrt(variances)
    # The last eigenvector is the width's; a row index grows downwards, as angles on an image do.
    angle = math.degrees(math.atan2(directions[0, 1], directions[1, 1]))
    row, column = fit.center
    return Ellipse((column, row), width, height, angle=angle, fill=False, ec="#56B4E9", lw=1.2)


def draw_maps(maps: Sequence[InfluenceMap], titles: Sequence[str], fits: Sequence[GaussianFit | None]) -> Figure:
    """Return a figure of several two-dimensional maps, each as :func:`draw_map_on` draws it, with one colour bar."""
    columns = min(len(maps), PER_ROW)
    rows = -(-len(maps) // columns)
    figure = Figure(figsize=(PANEL * columns + 0.6, (PANEL + 0.7) * rows), dpi=150, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat[len(maps) :]:
        axes.set_axis_off()
    images = []
    for imap, title, fit, axes in zip(maps, titles, fits, panels.flat, strict=False):
        images.append(draw_map_on(axes, imap, fit))
        axes.set_title(title, fontsize=8)
        axes.tick_params(labelsize=7)
    figure.colorbar(images[0], ax=list(panels.flat), fraction=0.02, label="influence / peak")
    return figure
