"""Calls of what measures a network: fields, maps, halos, and the same by other tools."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import erf
from erf import ReceptiveField, compatibility
from erf.arguments import device as devices
from erf.seeds import derive
from erf.seeds import generator as generator_of
from erf.stacks.stack_influence import stack_influence, stack_moments
from tests.erf.public_calls.call import Call, Kind, refused
from tests.erf.public_calls.refused_values import (
    BOX,
    CALL,
    CHOICE,
    FLAG,
    IMAGES,
    LAYER,
    LAZY,
    MEASURED,
    NAN,
    NETWORK,
    NO_AGGREGATIONS,
    NO_ARRAYS,
    SHARE,
    SIZE,
    STACK,
    UNIT,
    WHOLE,
    WHOLE_0,
)
from tests.erf.public_calls.valid import a_stack, conv, images

MEASURED_IMAGES = Kind([*IMAGES.values, images(device="meta")], IMAGES.words)
AREA = {"contributions": refused(*NO_ARRAYS, -np.ones((9, 9)), np.ones(9), np.zeros((9, 9)), None, "x")}


def measured(**more: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {"network": conv(), "images": images(), **more}


FIELD = {"size": (3, 3), "jump": (1, None), "start": (1.0, None), "box": ((0, 3), (0, 3)), "clipped": (False, False)}
FIELD |= {"spanned_by": (None, None), "unit": (0, 0), "grid": (5, 5), "index": None}
FIELD |= {"one_sided": (None, None), "center": (1.0, 1.0)}

CALLS: dict[str, Call] = {
    "erf.maps.influence.influence": Call(
        erf.influence,
        measured(unit=(2, 2)),
        {"network": LAZY, "images": IMAGES, "unit": UNIT, "layer": LAYER, "mode": CHOICE, "call": CALL}
        | {
            "direction": refused(
                torch.ones(3),
                torch.ones(1),
                torch.ones(2) * NAN,
                torch.ones(2) * 1j,
                [1.0, 1.0],
                "sum",
                torch.ones(2).to_sparse(),
                torch.ones(2, device="meta"),
            )
        },
    ),
    "erf.maps.effective_field.effective_receptive_field": Call(
        erf.effective_receptive_field,
        measured(),
        {
            "network": MEASURED,
            "images": MEASURED_IMAGES,
            "layer": LAYER,
            "statistic": CHOICE,
            "mode": CHOICE,
            "batch_size": WHOLE,
        }
        | {"unit": refused((1.5, 2), (True, 1), (9, 9), 1, []), "seed": WHOLE_0, "first_sample": WHOLE_0}
        | {"aggregation": refused(2, *NO_AGGREGATIONS), "normalize": FLAG, "batch_size": WHOLE}
        | {"call": CALL, "of_channels": refused(1, -1, [], [0, 0], 0.0, "0", True), "precision": CHOICE},
    ),
    "erf.reachability.receptive_field.theoretical_receptive_field": Call(
        erf.theoretical_receptive_field,
        lambda: {"network": conv(), "input_size": (7, 7)},
        {"network": NETWORK, "input_size": SIZE, "layer": LAYER, "unit": UNIT, "mode": refused("typo", None, 1)}
        | {"channels": refused(0, -1, 1.5, True, NAN, "1"), "call": CALL},
    ),
    "erf.measurement.measuring.measure": Call(
        erf.measure,
        lambda: {"network": conv(), "images": images(), "samples": 2},
        {
            "network": MEASURED,
            "images": MEASURED_IMAGES,
            "layers": LAYER,
            "input_size": refused((8.9, 8.9), (0, 8), 8, "88", words="input_size"),
            "unit": refused((1.5, 2), (True, 1), (9, 9), 1, []),
            "statistic": CHOICE,
            "aggregation": refused(2, *NO_AGGREGATIONS),
            "seed": WHOLE_0,
            "samples": WHOLE,
            "mode": CHOICE,
        }
        | {"of_channels": refused(1, -1, [], [0, 0], 0.0, "0", True), "call": CALL, "batch_size": WHOLE}
        | {"device": refused("tpu", 1.5), "channels": refused(0, -1, 1.5, True, NAN, "1"), "theory": FLAG}
        | {"precision": CHOICE},
    ),
    "erf.agreement.agreement.check": Call(
        erf.check,
        lambda: {"network": conv(), "input_size": (7, 7)},
        {"network": MEASURED, "input_size": SIZE, "layers": LAYER, "unit": UNIT, "mode": refused("typo", None, 1)}
        | {"channels": refused(0, -1, 1.5, True, NAN, "1"), "of_channels": refused(1, -1, 1.5, NAN, "0", [], [0, 0])}
        | {"call": CALL, "seed": WHOLE_0},
    ),
    "erf.agreement.agreement.Agreement": Call(erf.Agreement, lambda: {"findings": ()}, {}, free="findings"),
    "erf.reachability.tiles.halo": Call(
        erf.halo,
        lambda: {"network": conv()},
        {"network": NETWORK, "layer": LAYER, "mode": refused("typo", None, 1)}
        | {"channels": refused(0, -1, 1.5, True, NAN, "1")},
    ),
    "erf.reachability.tiles.Halo": Call(
        erf.Halo,
        lambda: dict.fromkeys(("before", "after", "alignment", "units", "smallest_input"), (1,)),
        {},
        free="before after alignment units smallest_input",
    ),
    "erf.reachability.receptive_field.ReceptiveField": Call(
        ReceptiveField,
        lambda: dict(FIELD),
        {"size": refused((NAN, 3), (0, 3), (-1, 3), ("3", 3), (3,), words="size|box"), "box": BOX}
        | {"jump": refused((NAN, 1), (math.inf, 1), (1j, 1)), "start": refused((NAN, 1), (math.inf, 1), ("0", 1))}
        | {"center": refused((NAN, 1), (math.inf, 1), ("0", 1))},
        free="clipped spanned_by unit grid index one_sided assumptions _local _path _image",
    ),
    "erf.compatibility.compatible_map": Call(
        compatibility.compatible_map,
        measured(),
        {"network": MEASURED, "images": MEASURED_IMAGES, "layer": LAYER, "tool": CHOICE},
    ),
    "erf.compatibility.openerf_map": Call(
        compatibility.openerf_map, measured(), {"network": MEASURED, "images": MEASURED_IMAGES, "layer": LAYER}
    ),
    "erf.compatibility.replknet_map": Call(
        compatibility.replknet_map, measured(), {"network": MEASURED, "images": MEASURED_IMAGES, "layer": LAYER}
    ),
    "erf.compatibility.replknet_scores": Call(
        compatibility.replknet_scores, lambda: {"contributions": np.ones((9, 9))}, AREA
    ),
    "erf.compatibility.replknet_area_ratio": Call(
        compatibility.replknet_area_ratio,
        lambda: {"contributions": np.ones((9, 9)), "mass": 0.5},
        AREA | {"mass": SHARE},
    ),
    "erf.compatibility.AreaRatio": Call(
        compatibility.AreaRatio, lambda: {"side": 3, "area_ratio": 0.1}, {"side": WHOLE, "area_ratio": SHARE}
    ),
    "erf.arguments.device.resolve_device": Call(
        devices.resolve_device, lambda: {"name": "cpu"}, {"name": refused("gpu", "", None, 0, words="device=")}
    ),
    "erf.arguments.device.named_device": Call(
        devices.named_device, lambda: {"device": "cpu"}, {"device": refused("gpu", "", None, 0)}
    ),
    "erf.seeds.derive": Call(derive, lambda: {"seed": 0}, {"seed": WHOLE_0}, free="indices"),
    "erf.seeds.generator": Call(generator_of, lambda: {"seed": 0}, {"seed": WHOLE_0}, free="indices"),
    "erf.stacks.stack_influence.stack_influence": Call(
        lambda **arguments: list(stack_influence(**arguments)),
        lambda: {"stack": a_stack(), "runs": range(2)},
        {"stack": STACK, "runs": refused(2, None, [0]), "seed": WHOLE_0, "noise": CHOICE}
        | {
            "aggregation": refused("typo", 2, -1, True, None),
            "dtype": refused(torch.int64, torch.complex64, "float32", None),
        }
        | {"device": refused("gpu", None, 0)},
    ),
    "erf.stacks.stack_influence.stack_moments": Call(
        stack_moments,
        lambda: {"stack": a_stack(), "runs": 2},
        {"stack": STACK, "runs": WHOLE, "statistic": CHOICE, "seed": WHOLE_0, "noise": CHOICE}
        | {
            "aggregation": refused("typo", 2, -1, True, None),
            "dtype": refused(torch.int64, torch.complex64, "float32", None),
        }
        | {"device": refused("gpu", None, 0)},
    ),
}
