"""Calls of what makes, describes and draws a map."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

import erf
from erf import InfluenceMap, ReceptiveField, plotting
from erf.maps.influence_map import require_non_negative
from erf.maps.sampled_map import map_of_samples
from erf.metrics import gaussian_fit as fits
from erf.metrics.erf_size import above_threshold, center_pixels, center_value, contour_size
from erf.metrics.grid_average import grid_average, grid_average_inside
from erf.metrics.normal_distance import normal_distance
from tests.erf.public_calls.call import Call, Kind, refused
from tests.erf.public_calls.refused_values import (
    BOX,
    CHOICE,
    FINITE,
    FLAG,
    NAN,
    NO_AGGREGATIONS,
    NO_ARRAYS,
    NO_NUMBERS,
    SHARE,
    SIZES_OR_NUMBER,
    WHOLE_0,
)
from tests.erf.public_calls.valid import a_map, conv, images


def map_of_axes(count: int) -> InfluenceMap:
    return a_map(values=np.ones((3,) * count), center=(1.0,) * count, trf_box=((0, 3),) * count)


ARRAY = Kind([*NO_ARRAYS], "{name}.* finite real numbers")
MAP = Kind([None, np.ones((3, 3)), [[1.0]]], "{name}=.* InfluenceMap")
DISTRIBUTION = Kind(
    [*MAP.values, a_map(values=-np.ones((3, 3))), a_map(values=np.zeros((3, 3)))], "InfluenceMap|negative|0 everywhere"
)
NO_CENTERS = [(1.0,), (1.0, NAN), None, "", [[]], np.ones(0), nn.Sequential()]
JUMP = Kind([(1.0,), (1.0, NAN), (math.inf, 1), (1j, 1), "ab", "", None, 2], "jump=.* allowed")
LEVEL = Kind([1, -0.1, *NO_NUMBERS], "level=.* shares of the reference")


def of_map(**more: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {"imap": a_map(), **more}


def a_field() -> ReceptiveField:
    return erf.theoretical_receptive_field(conv(), (7, 7))


def a_fit() -> fits.GaussianFit:
    return erf.fit_gaussian(a_map())


CALLS: dict[str, Call] = {
    "erf.maps.influence_map.InfluenceMap": Call(
        a_map,
        dict,
        {
            "values": Kind(
                [*NO_ARRAYS, np.ones((3, 3)) * NAN, np.ones((3, 3)) * 1j, np.ones((3, 3), bool), np.zeros((0, 3))]
            )
        }
        | {
            "center": refused((1.0,), (1.0, NAN), (1j, 1.0), "ab", None),
            "origin": refused((0,), (0, NAN), (0.5, 0), "ab", "", [[]], nn.Sequential(), None),
            "trf_box": BOX,
            "jump": JUMP,
        }
        | {
            "statistic": CHOICE,
            "precision": CHOICE,
            "samples": refused(NAN, -1, "4", None, True, 1j),
            "skipped": WHOLE_0,
        }
        | {"aggregation": refused(*NO_AGGREGATIONS), "normalized": FLAG},
        free="findings",
    ),
    "erf.maps.influence_map.InfluenceMap.merge": Call(a_map().merge, lambda: {"other": a_map()}, {"other": MAP}),
    "erf.maps.influence_map.InfluenceMap.with_moment": Call(
        a_map().with_moment,
        lambda: {"moment": np.ones((3, 3)), "statistic": "mean_abs"},
        {"moment": refused(*NO_ARRAYS, np.ones((3, 3)) * NAN, np.ones((3, 3)) * 1j, np.ones((2, 3)))}
        | {"statistic": CHOICE},
    ),
    "erf.maps.influence_map.InfluenceMap.shifted_to": Call(
        a_map().shifted_to, lambda: {"other": a_map()}, {"other": MAP}
    ),
    "erf.metrics.comparison.compare": Call(
        erf.compare,
        lambda: {"trf": a_field(), "imap": erf.effective_receptive_field(conv(), images())},
        {"trf": refused(None, a_map(), 3), "imap": MAP},
    ),
    "erf.metrics.comparison.Comparison": Call(
        erf.Comparison,
        lambda: {"trf_size": (3,), "effective_stride": (1,), "clipped": (False,), "diagnostics": ()},
        {"erf_size": FINITE, "ratio": FINITE, "r_squared": FINITE, "r50": FINITE, "r95": FINITE, "sigma": ARRAY},
        free="trf_size effective_stride clipped diagnostics reference cut fit",
    ),
    "erf.metrics.erf_size.contribution_area_ratio": Call(
        erf.contribution_area_ratio, of_map(mass=0.5), {"imap": DISTRIBUTION, "mass": SHARE, "scale": CHOICE}
    ),
    "erf.metrics.erf_size.erf_size": Call(
        erf.erf_size, of_map(), {"imap": DISTRIBUTION, "reference": CHOICE, "level": LEVEL}
    ),
    "erf.metrics.erf_size.above_threshold": Call(
        above_threshold, of_map(), {"imap": DISTRIBUTION, "reference": CHOICE, "level": LEVEL}
    ),
    "erf.metrics.erf_size.contour_size": Call(contour_size, of_map(), {"imap": DISTRIBUTION}),
    "erf.metrics.erf_size.center_value": Call(center_value, of_map(), {"imap": MAP}),
    "erf.metrics.erf_size.center_pixels": Call(center_pixels, of_map(), {"imap": MAP}),
    "erf.metrics.gaussian_fit.fit_gaussian": Call(erf.fit_gaussian, of_map(), {"imap": DISTRIBUTION}),
    "erf.metrics.gaussian_fit.map_moments": Call(fits.map_moments, of_map(), {"imap": DISTRIBUTION}),
    "erf.metrics.gaussian_fit.Moments": Call(
        fits.Moments,
        lambda: vars(a_fit().moments),
        {"center": ARRAY, "covariance": ARRAY, "excess_kurtosis": ARRAY},
    ),
    "erf.metrics.gaussian_fit.GaussianFit": Call(
        fits.GaussianFit,
        lambda: dict(vars(a_fit())),
        {"center": ARRAY, "covariance": ARRAY, "amplitude": FINITE, "r_squared": FINITE},
        free="moments",
    ),
    "erf.metrics.power_law.fit_power_law": Call(
        erf.fit_power_law,
        lambda: {"x": [1, 2, 3], "y": [1, 4, 9.1]},
        {"x": refused(*NO_ARRAYS, [0, 1, 2], [1, 2], []), "y": refused(*NO_ARRAYS, [-1, 1, 2], [1, 2])}
        | {"replicates": refused(*NO_ARRAYS, [[1.0]], [1, 2, 3])},
    ),
    "erf.metrics.power_law.PowerLaw": Call(
        erf.PowerLaw,
        lambda: {"exponent": 1.0, "interval": (0.9, 1.1), "amplitude": 1.0},
        {"exponent": FINITE, "interval": ARRAY, "amplitude": FINITE},
    ),
    "erf.metrics.mass_radius.mass_radius": Call(
        erf.mass_radius, of_map(mass=0.5), {"imap": DISTRIBUTION, "mass": SHARE}
    ),
    "erf.metrics.mass_radius.mass_within": Call(
        erf.mass_within, of_map(radius=1), {"imap": DISTRIBUTION, "radius": Kind([-1, *NO_NUMBERS])}
    ),
    "erf.metrics.grid_average.grid_average": Call(
        grid_average, of_map(period=2), {"imap": MAP, "period": SIZES_OR_NUMBER}
    ),
    "erf.metrics.grid_average.grid_average_inside": Call(
        grid_average_inside, of_map(period=2), {"imap": MAP, "period": SIZES_OR_NUMBER}
    ),
    "erf.metrics.normal_distance.normal_distance": Call(normal_distance, of_map(), {"imap": DISTRIBUTION}),
    "erf.maps.sampled_map.map_of_samples": Call(
        map_of_samples,
        lambda: {
            "moments": np.ones((2, 3, 3)),
            "statistic": "mean_abs",
            "trf_box": ((0, 3), (0, 3)),
            "aggregation": "sum",
        },
        {
            "moments": refused(*NO_ARRAYS, np.ones(3), np.ones((2, 3, 3)) * NAN, None),
            "statistic": CHOICE,
            "trf_box": BOX,
            "jump": JUMP,
        }
        | {"center": refused(*NO_CENTERS), "aggregation": refused(*NO_AGGREGATIONS), "normalize": FLAG},
    ),
    "erf.maps.influence_map.require_non_negative": Call(require_non_negative, of_map(), {"imap": DISTRIBUTION}),
    "erf.plotting.draw_map": Call(
        plotting.draw_map,
        of_map(),
        {"imap": Kind([*MAP.values, map_of_axes(4)], "InfluenceMap|1, 2 or 3 axes")}
        | {"fit": refused(3, a_map(), "fit")},
    ),
    "erf.plotting.draw_map_on": Call(
        plotting.draw_map_on,
        of_map(axes=plotting.Figure().subplots()),
        {
            "imap": Kind([*MAP.values, map_of_axes(1), map_of_axes(3)], "InfluenceMap|rows"),
            "fit": refused(3, a_map(), "fit"),
        },
        free="axes",
    ),
    "erf.plotting.draw_maps": Call(
        plotting.draw_maps,
        lambda: {"maps": [a_map()], "titles": ["a map"], "fits": [None]},
        {"maps": refused([], [3], None, [map_of_axes(4)]), "fits": refused([3], [a_map()])},
        free="titles",
    ),
}
