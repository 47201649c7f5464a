"""What a training's record holds: its trajectory, its units and its layers, and the growth of the ERF."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from experiments.harness.intervals import Interval
from experiments.harness.soundness import Sides
from experiments.harness.trf_box import without_box
from experiments.trainings.plan import GrowthConfig

FRAMES = 8  # epochs whose maps the record keeps, for the filmstrip
SIZES = ("averaged_size", "erf_size", "half_height_size", "r50", "r95", "sigma_rows", "sigma_columns")  # of one map


@dataclass(frozen=True)
class Measures:
    """The center unit's map by other measures than the count of its pixels, so that no verdict hangs on one.

    Attributes:
        averaged_size: ERF size of the map averaged over the period of the layer's grid, pixels.
        averaged_size_interval: 95 %, over images.
        half_height_size: Root of the number of pixels of that map above half of the reference.
        half_height_size_interval: 95 %, over images.
        r50: Radius that holds half of the map, as far as it lies in the image, pixels.
        r95: Radius that holds 95 % of it.
        sigma: Standard deviation of the map along rows and along columns, pixels.
        mean_square_size: As ``averaged_size``, of the mean over images of the squares.
        mean_square_sigma: As ``sigma``, of that map.
    """

    averaged_size: float
    averaged_size_interval: Interval
    half_height_size: float
    half_height_size_interval: Interval
    r50: float
    r95: float
    sigma: tuple[float, float]
    mean_square_size: float
    mean_square_sigma: tuple[float, float]


@dataclass(frozen=True)
class Moment:
    """The network at one epoch; 0 is before training. What is of the ERF is None at epochs without a measurement.

    Attributes:
        epoch: Epochs trained.
        training_loss: Mean over the epoch's steps; None before training.
        validation: Metrics on the validation images.
        erf_size: Of the center unit, in pixels.
        erf_size_interval: 95 %, over images.
        sigma: Standard deviation of the center unit's map, as far as it lies in the image; mean of both axes, pixels.
        measures: Others of the same map; None in older records.
    """

    epoch: int
    training_loss: float | None
    validation: dict[str, float]
    erf_size: float | None
    erf_size_interval: Interval | None
    sigma: float | None
    measures: Measures | None = None


@dataclass(frozen=True)
class Unit:
    """ERF sizes of one unit, given by its row and column, before training and at the best epoch."""

    unit: tuple[int, int]
    erf_size_before: float
    erf_size_after: float


@dataclass(frozen=True)
class Layer:
    """ERF sizes of one layer's middle unit, before training and at the best epoch, 95 % over images.

    A size is None where the unit's own pixel has no influence, to which it would be relative.
    """

    layer: str
    trf_size: int
    erf_size_before: float | None
    erf_size_before_interval: Interval | None
    erf_size_after: float | None
    erf_size_after_interval: Interval | None


@dataclass(frozen=True)
class Growth:
    """How the ERF changed from before training to the best epoch, that of the best validation metric.

    Sizes are in pixels. Intervals are 95 %, by resampling the images; that of the growth resamples the same images
    before and after.

    ``fresh`` is the network before training with batch norm as it was constructed, its running statistics 0 and 1: in
    eval mode another network than the one that is trained. None in older records.

    Arrays: ``before`` and ``after [H, W]`` of the center unit, float32; ``frames [F]``, epochs; by the M epochs with a
    measurement ``resampled_sizes [M, B]`` and, but in older records, ``resampled_averaged_sizes``,
    ``resampled_half_height_sizes`` and the epochs themselves, ``measured [M]``; and to be looked at, float16, with peak
    1 and at most 128 pixels a side: ``units/before`` and ``units/after [U, h, w]``, ``layers/before`` and
    ``layers/after [L, h, w]``, in the order of ``units`` and ``layers``, and ``maps [F, h, w]``.
    """

    config: GrowthConfig
    epochs: int
    best_epoch: int
    images: int
    theoretical_receptive_field: int
    input_size: tuple[int, int]
    clipped: tuple[bool, bool]
    center_unit: tuple[int, int]
    center_pixel: tuple[float, float]
    erf_size_before: float
    erf_size_before_interval: Interval
    erf_size_after: float
    erf_size_after_interval: Interval
    growth: float
    growth_interval: Interval
    growth_factor: float
    growth_factor_interval: Interval
    units: tuple[Unit, ...]
    layers: tuple[Layer, ...]
    trajectory: tuple[Moment, ...]
    parameters: int
    data: str
    training_images: int
    validation_images: int
    test_images: int
    arrays: dict[str, np.ndarray]
    fresh: Measures | None = field(default=None, kw_only=True)

    def measured(self) -> list[Moment]:
        """Return the moments at which the ERF was measured."""
        return [at for at in self.trajectory if at.erf_size is not None]

    @property
    def resampled(self) -> str:
        """What the intervals are from, in words."""
        return "the images of one training; another training may lie outside"

    def trf_box(self, key: str) -> str:
        """Return why the map of the array ``key`` is shown without the TRF's box."""
        return without_box(self.theoretical_receptive_field, max(self.arrays[key].shape))

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        layers, units = len(self.layers), len(self.units)
        sides: dict[str, Sides] = {f"units/{when}": (units, "h", "w") for when in ("before", "after")}
        sides |= {f"layers/{when}": (layers, "h", "w") for when in ("before", "after")}
        sides |= {"before": self.input_size, "after": self.input_size, "maps": ("F", "h", "w"), "frames": ("F",)}
        measured = len(self.measured())
        if self.trajectory[0].measures:
            sides |= {f"resampled_{name}_sizes": (measured, "B") for name in ("averaged", "half_height")}
            sides |= {"measured": (measured,)}
        return sides | {"resampled_sizes": (measured, "B")}

    def metrics(self) -> dict[str, float]:
        """Return the ERF sizes before and after, and the best epoch's validation metrics."""
        sizes = {"erf_size_before": self.erf_size_before, "erf_size_after": self.erf_size_after}
        ends = {"before": self.trajectory[0].measures, "after": self.trajectory[self.best_epoch].measures}
        sizes |= {f"averaged_size_{when}": at.averaged_size for when, at in ends.items() if at}
        return sizes | {f"validation_{name}": v for name, v in self.trajectory[self.best_epoch].validation.items()}


def filmstrip(epochs: int, best: int) -> list[int]:
    """Return the epochs to show: at most FRAMES evenly spaced ones, the first and the last among them, and the best."""
    spaced = np.linspace(0, epochs - 1, min(FRAMES, epochs)).round().astype(int).tolist()
    return sorted({*spaced, best})
