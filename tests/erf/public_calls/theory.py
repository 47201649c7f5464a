"""Calls of what predicts a map."""

import numpy as np

import erf
from erf import ConvLayer, theory
from tests.erf.public_calls.call import Call, Kind, refused
from tests.erf.public_calls.refused_values import (
    CALL,
    CHOICE,
    FINITE,
    LAYER,
    MEASURED,
    NAN,
    NO_IMAGES,
    PROFILE,
    SIZE,
    SIZES_OR_NUMBER,
    UNIT,
)
from tests.erf.public_calls.valid import conv, images

LAYERS = refused([], [3], [None], ConvLayer(3), ["conv"], None, words="layer")
CALLS: dict[str, Call] = {
    "erf.theory.linear_stacks.ConvLayer": Call(
        ConvLayer,
        lambda: {"kernel_size": 3, "profile": np.ones((3, 3))},
        {
            "kernel_size": Kind(SIZES_OR_NUMBER.values, "kernel.size"),
            "stride": SIZES_OR_NUMBER,
            "dilation": SIZES_OR_NUMBER,
            "profile": PROFILE,
        },
    ),
    "erf.theory.linear_stacks.Residual": Call(
        erf.Residual,
        lambda: {"branch": [ConvLayer(3)]},
        {"branch": Kind([*LAYERS.values, [ConvLayer(3, stride=2)], [ConvLayer(2)]], "layer|branch")}
        | {"gain": Kind([1e200, *FINITE.values], "gain=.* finite")},
    ),
    "erf.theory.linear_stacks.influence_map": Call(
        theory.influence_map, lambda: {"layers": [ConvLayer(3)]}, {"layers": LAYERS, "statistic": CHOICE}
    ),
    "erf.theory.linear_stacks.mean_abs_limit": Call(
        theory.mean_abs_limit, lambda: {"layers": [ConvLayer(3)]}, {"layers": LAYERS}
    ),
    "erf.theory.linear_stacks.variance": Call(
        theory.variance, lambda: {"layers": [ConvLayer(3)]}, {"layers": LAYERS, "statistic": CHOICE}
    ),
    "erf.theory.linear_stacks.gaussian_sigma": Call(
        theory.gaussian_sigma,
        lambda: {"layers": [ConvLayer(3)], "statistic": "rms"},
        {"layers": LAYERS, "statistic": CHOICE},
    ),
    "erf.theory.expected_maps.expected_map": Call(
        theory.expected_map,
        lambda: {"network": conv(), "input_size": 7, "images": images()},
        {"network": MEASURED, "input_size": SIZE, "layer": LAYER, "unit": UNIT, "weights": CHOICE, "gates": CHOICE}
        | {"images": refused(*[bad for bad in NO_IMAGES if bad is not None], images(2, 1, 9, 7), words="image|Tensor")}
        | {"channels": refused(0, -1, 1.5, True, NAN, "1"), "call": CALL},
    ),
    "erf.theory.path_moments.expected_sigma": Call(
        theory.expected_sigma,
        lambda: {"network": conv(), "input_size": 7},
        {"network": MEASURED, "input_size": SIZE, "layer": LAYER, "weights": CHOICE, "call": CALL}
        | {"gates": Kind([*CHOICE.values, "measured"], "gates=.*"), "channels": refused(0, -1, 1.5, True, NAN, "1")},
    ),
}
