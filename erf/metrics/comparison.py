"""The theoretical receptive field of a unit against its effective one (section 3.1's ERF size and ERF ratio)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from types import NoneType

import numpy as np

from erf.arguments import require_finite, require_number_or_none, require_type, shown
from erf.errors import InvalidInput
from erf.maps.influence_map import InfluenceMap
from erf.metrics.erf_size import Reference, above_threshold, center_value, erf_size
from erf.metrics.gaussian_fit import GaussianFit, fit_gaussian
from erf.metrics.mass_radius import mass_radius
from erf.reachability.receptive_field import ReceptiveField


@dataclass(frozen=True)
class Comparison:
    """What the theoretical and the effective field of one unit say about each other; lengths are in input pixels.

    Where the map is 0 everywhere it has no size, and all that is read off it is None.

    Attributes:
        trf_size: Per axis, side of the theoretical field; ``math.inf`` where one operator spans the axis.
        effective_stride: Per axis, input pixels between neighbouring units; None where they are not evenly spaced.
        clipped: Per axis, whether the theoretical field leaves the image.
        diagnostics: Those of the map.
        erf_size: The paper's size, relative to ``reference``.
        reference: "center", the paper's; "peak" where the center is a hole of the grid or outside the image.
        cut: Per axis, whether the theoretical field leaves the image (or would leave any, being infinite) where the
            influence is still above the size's threshold: ``erf_size`` is then that of the part in the image, and says
            how large the image is.
        ratio: ``erf_size`` over the geometric mean of ``trf_size``; None where that is infinite.
        sigma: Per axis, standard deviation of the Gaussian fit; None where no Gaussian can be fitted.
        r_squared: Of that fit; None as ``sigma``.
        r50: Radius that holds half of the map's sum.
        r95: Radius that holds 95 % of it.
        fit: The Gaussian fit itself; not compared.
    """

    trf_size: tuple[float, ...]
    effective_stride: tuple[float | None, ...]
    clipped: tuple[bool, ...]
    diagnostics: tuple[str, ...]
    erf_size: float | None = None
    reference: Reference | None = None
    cut: tuple[bool, ...] | None = None
    ratio: float | None = None
    sigma: tuple[float, ...] | None = None
    r_squared: float | None = None
    r50: float | None = None
    r95: float | None = None
    fit: GaussianFit | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_number_or_none(
            erf_size=self.erf_size, ratio=self.ratio, r_squared=self.r_squared, r50=self.r50, r95=self.r95
        )
        require_finite(sigma=self.sigma)
        require_type(tuple, NoneType, sigma=self.sigma)
        if np.ndim(self.sigma or ()) != 1:
            raise InvalidInput(f"sigma={shown(self.sigma)}: allowed are a number for each axis, and None")


def compare(trf: ReceptiveField, imap: InfluenceMap) -> Comparison:
    """Compare the theoretical and the effective field of one unit, of any number of axes.

    Args:
        trf: The unit's theoretical field.
        imap: Its influence map, without negative values.

    Raises:
        InvalidInput: The two are not of one unit, or the map has negative values.

    >>> import erf
    >>> import torch
    >>> network = torch.nn.Conv2d(1, 1, 3)
    >>> trf = erf.theoretical_receptive_field(network, input_size=9)
    >>> imap = erf.effective_receptive_field(network, torch.ones(1, 1, 9, 9))
    >>> erf.compare(trf, imap).trf_size
    (3, 3)
    """
    require_type(ReceptiveField, trf=trf)
    require_type(InfluenceMap, imap=imap)
    if trf.box != imap.trf_box or (math.inf in trf.size and trf.center != imap.center):
        raise InvalidInput(
            f"the field and the map are not of the same unit: their TRF boxes are {trf.box} and {imap.trf_box}, "
            f"their centers {trf.center} and {imap.center}"
        )
    unmeasured = Comparison(trf.size, trf.jump, trf.clipped, imap.diagnostics)
    if not imap.values.any():
        return unmeasured
    reference, fit = _reference(imap), _fit(imap)
    size = erf_size(imap, reference)
    return replace(
        unmeasured,
        erf_size=size,
        reference=reference,
        cut=_cut(trf, imap, reference),
        ratio=None if math.inf in trf.size else size / math.prod(trf.size) ** (1 / len(trf.size)),
        sigma=fit and fit.sigma,
        r_squared=fit and fit.r_squared,
        r50=mass_radius(imap, 0.5),
        r95=mass_radius(imap, 0.95),
        fit=fit,
    )


def _reference(imap: InfluenceMap) -> Reference:
    try:
        center_value(imap)
    except InvalidInput:
        return Reference.peak
    return Reference.center


def _fit(imap: InfluenceMap) -> GaussianFit | None:
    try:
        return fit_gaussian(imap)
    except InvalidInput:
        return None


def _cut(trf: ReceptiveField, imap: InfluenceMap, reference: Reference) -> tuple[bool, ...]:
    above = above_threshold(imap, reference)
    cut = []
    for axis, ((start, stop), side) in enumerate(zip(trf.box, above.shape, strict=True)):
        endless = math.isinf(trf.size[axis])
        first, last = (bool(np.take(above, border, axis).any()) for border in (0, side - 1))
        cut.append(((endless or start < 0) and first) or ((endless or stop > side) and last))
    return tuple(cut)
