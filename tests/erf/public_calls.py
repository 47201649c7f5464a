"""Every public function: a call that works, and what it refuses for each of its arguments."""

import math
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from PIL import Image
from torch import nn

import erf
from erf import ConvLayer, InfluenceMap, ReceptiveField, compatibility, inits, plotting, theory, training
from erf.arguments import device as devices
from erf.data import augment, batches, camvid, cifar10, split
from erf.data.noise import NoiseImages
from erf.data.pictures import Pictures
from erf.maps.influence_map import require_non_negative
from erf.maps.sampled_map import map_of_samples
from erf.metrics import gaussian_fit as fits
from erf.metrics.erf_size import above_threshold, center_pixels, center_value, contour_size
from erf.metrics.grid_average import grid_average, grid_average_inside
from erf.metrics.normal_distance import normal_distance
from erf.networks import (
    attention_stack,
    camvid_frontend,
    cifar_resnet,
    conv_stack,
    fully_connected,
    plain_cnn,
    pointwise,
    residual,
    residual_stack,
    sparse_convolution,
    start,
    subsampled_stack,
)
from erf.networks import batch_norm as folding
from erf.networks.attention import multi_scale, non_local, recurrent, second_order, squeeze_excitation
from erf.networks.attention import residual as residual_attention
from erf.seeds import derive
from erf.seeds import generator as generator_of
from erf.stacks.stack_influence import stack_influence, stack_moments
from erf.training import batch_norm, checkpoints
from tests.erf.data import tiny_sets
from tests.erf.toy_training import accuracy, sgd, toy_network, toy_plan

NAN = math.nan
NO_NUMBERS = [NAN, 1j, True, "2", None, []]
NO_WHOLE_NUMBERS = [1.5, math.inf, -1, *NO_NUMBERS]
NO_ARRAYS = [[NAN, 1.0, 2.0], [1.0, math.inf, 2.0], [1j, 1.0, 2.0], ["1", "2", "3"], [True, False, True], [[1.0], []]]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def conv(value: float = 1.0, **changes: Any) -> nn.Conv2d:
    """Return a convolution of seven random weights and one ``value``."""
    torch.manual_seed(0)
    layer = nn.Conv2d(1, 2, 3, **changes)
    layer.weight.data[0, 0, 0, 0] = value
    return layer


def with_buffer(value: float, norm: nn.Module | None = None) -> nn.Module:
    network = nn.Sequential(conv(), norm or nn.Identity())
    network.register_buffer("mask", torch.tensor([0.0, value]))
    return network


def normed(value: float = 1.0) -> nn.Module:
    return nn.Sequential(conv(value), nn.BatchNorm2d(2))


def images(*shape: int, **changes: Any) -> torch.Tensor:
    shape = shape or (2, 1, 7, 7)
    return torch.arange(math.prod(shape), dtype=torch.float32).sin().reshape(shape).to(**changes)


def pixels(*shape: int) -> torch.Tensor:
    shape = shape or (2, 3, 4, 4)
    return (torch.arange(math.prod(shape)) % 251).to(torch.uint8).reshape(shape)


def a_map(**changes: Any) -> InfluenceMap:
    values = {"values": np.outer([1.0, 2, 1], [1.0, 3, 1]), "statistic": "mean_abs", "center": (1.0, 1.0)}
    return InfluenceMap(**values | {"trf_box": ((0, 3), (0, 3)), "samples": 4} | changes)


def map_of_axes(count: int) -> InfluenceMap:
    return a_map(values=np.ones((3,) * count), center=(1.0,) * count, trf_box=((0, 3),) * count)


def a_split() -> split.Split:
    return split.Split(pixels(), torch.tensor([0, 1]))


def a_stack(**changes: Any) -> conv_stack.ConvStack:
    return conv_stack.ConvStack(**{"depth": 2, "channels": 2} | changes)


def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def folder_of_pictures(folder: Path) -> Path:
    Image.new("RGB", (9, 9), (10, 20, 30)).save(folder / "a.png")
    return folder


@dataclass(frozen=True)
class Kind:
    """Values that are refused, and a pattern of what the message says; without one it is the argument's name."""

    values: list[Any]
    words: str = ""


def refused(*values: Any, words: str = "") -> Kind:
    return Kind(list(values), words)


with warnings.catch_warnings(action="ignore"):  # of what torch may change
    NESTED, LAZY_CONV = torch.nested.nested_tensor(list(images())), nn.LazyConv2d(2, 3)
NO_IMAGES = [images() * NAN, images() * math.inf, images(dtype=torch.uint8), images(dtype=torch.int64)]
NO_IMAGES += [images(dtype=torch.bool), images().to(torch.complex64), images(3, 4), torch.zeros(1, 1, 0, 5)]
NO_IMAGES += [images().to_sparse(), images().to(torch.float8_e4m3fn), NESTED]
NO_IMAGES += [torch.zeros(1, 1, 2, 2, 2, 2), images().numpy(), "photos", None, 3]
WHOLE = Kind([0, *NO_WHOLE_NUMBERS], "{name}=.* whole numbers from 1")
WHOLE_0 = Kind(NO_WHOLE_NUMBERS, "{name}=.* whole numbers from 0")
SHARE = Kind([0, -0.5, 1.01, math.inf, *NO_NUMBERS], r"{name}=.* shares in \(0, 1\]")
FINITE = Kind([math.inf, NAN, 1j, True, "2"], "{name}=.* finite")
ARRAY = Kind([*NO_ARRAYS], "{name}.* finite real numbers")
SIZE = Kind(
    [(8.9, 8.9), (True, 8), (0, 8), (-8, 8), (NAN, 8), ("8", "8"), (), (1, 2, 3, 4), "88", None], "{name}=.* whole"
)
UNIT = Kind([(1.5, 2), (True, 1), (-1, 0), (99, 0), (1,), (1, 1, 1), ("1", "1"), 1], "outside .* grid")
SIZES_OR_NUMBER = Kind(
    [0, -1, 1.5, True, NAN, "3", None, (3, 0), (3.0, 3), (3, 3, 3)], "{name}=.* whole numbers from 1"
)
MAP = Kind([None, np.ones((3, 3)), [[1.0]]], "{name}=.* InfluenceMap")
DISTRIBUTION = Kind(
    [*MAP.values, a_map(values=-np.ones((3, 3))), a_map(values=np.zeros((3, 3)))], "InfluenceMap|negative|0 everywhere"
)
NO_CENTERS = [(1.0,), (1.0, NAN), None, "", [[]], np.ones(0), nn.Sequential()]
JUMP = Kind([(1.0,), (1.0, NAN), (math.inf, 1), (1j, 1), "ab", "", None, 2], "jump=.* allowed")
LEVEL = Kind([1, -0.1, *NO_NUMBERS], "level=.* shares of the reference")
CHOICE = Kind(["typo", "", 1, NAN, None, []], "{name}=.* allowed: ")
IMAGES = Kind(NO_IMAGES, "image|Tensor")
PATH = Kind(["", None, 3, b"x"], "{name}=.* path")
NETWORK = Kind([None, "resnet18", torch.zeros(1), nn.Conv2d], "network=.* Module")
WEIGHTS = Kind(
    [*NETWORK.values, conv(NAN), conv(math.inf), conv(dtype=torch.complex64), with_buffer(NAN)],
    "Module|parameter 'weight' (has values that are not finite|is complex)|buffer 'mask' has values that are NaN",
)
LAZY = Kind([*WEIGHTS.values, LAZY_CONV], WEIGHTS.words + "|'weight' of the network is lazy|does not run")
MEASURED = Kind([*LAZY.values, conv(device="meta")], LAZY.words + "|network is on the meta device")
MEASURED_IMAGES = Kind([*IMAGES.values, images(device="meta")], IMAGES.words)
CALL = Kind([3, "forward", []], "call=.* function")
NO_BOX = [None, 3, (0, 3), ((0, 3), 3), ((0, 3), None), "ab"]
BOX = refused(*NO_BOX, ((0, 3),), ((0, 3), (3, 0)), ((0, 3.5), (0, 3)), ((0, NAN), (0, 3)), ((0, 3, 3), (0, 3)))
LAYER = refused("typo", 3, [], ["0", 3], ("0",), b"0", words="layer")
LAYERS = refused([], [3], [None], ConvLayer(3), ["conv"], None, words="layer")
FLAG = refused("no", 0, None)
NO_AGGREGATIONS = ["typo", -1, 1.5, True, None, NAN, 1j, np.ones(2)]
GENERATOR = refused(0, "seed", np.random.default_rng(0))
STACK = refused(None, nn.ReLU(), [ConvLayer(3)])
BYTES = refused(images(), images(dtype=torch.bool), pixels(2, 3), pixels().numpy(), None, words="uint8|Tensor")
PROFILE = refused(
    *NO_ARRAYS, -np.ones((3, 3)), np.zeros((3, 3)), np.ones((3, 3)) * NAN, np.ones((3, 3)) * 1j, np.ones(9)
)
INIT = Kind(["typo", 1, None])
SIZES = {"depth": WHOLE, "channels": WHOLE, "input_channels": WHOLE, "kernel_size": WHOLE}
CONV_STACK = SIZES | {"init": CHOICE, "activation": CHOICE, "dropout": CHOICE, "profile": PROFILE}
CONV_STACK |= {"dropout_rate": refused(1, -0.1, NAN, "0", 1j, True)}
STEP = {"epoch": WHOLE_0, "rank": Kind([1, *NO_WHOLE_NUMBERS]), "world_size": WHOLE, "start_step": WHOLE_0}
AREA = {"contributions": refused(*NO_ARRAYS, -np.ones((9, 9)), np.ones(9), np.zeros((9, 9)), None, "x")}


@dataclass(frozen=True)
class Call:
    """A function, arguments that it accepts (made anew each time), and what it refuses.

    ``free``: the arguments that may be anything, or that something else checks.
    """

    function: Callable[..., Any]
    valid: Callable[[], dict[str, Any]]
    refused: dict[str, Kind]
    free: str = ""


def measured(**more: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {"network": conv(), "images": images(), **more}


def of_map(**more: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {"imap": a_map(), **more}


def a_field() -> ReceptiveField:
    return erf.theoretical_receptive_field(conv(), (7, 7))


def a_fit() -> fits.GaussianFit:
    return erf.fit_gaussian(a_map())


FIELD = {"size": (3, 3), "jump": (1, None), "start": (1.0, None), "box": ((0, 3), (0, 3)), "clipped": (False, False)}
FIELD |= {"spanned_by": (None, None), "unit": (0, 0), "grid": (5, 5), "index": None}
FIELD |= {"one_sided": (None, None), "center": (1.0, 1.0)}
EPOCHS = [training.Epoch(number, None, {"accuracy": 0.5}, {}) for number in range(3)]


class NoBatches:
    """Passes without a batch."""

    def steps(self, world_size: int = 1) -> int:
        return 0

    def epoch(self, *_: Any, **__: Any) -> Any:
        return iter(())


def weights_folder() -> Path:
    folder = Path("finished")
    folder.mkdir(exist_ok=True)
    (folder / checkpoints.BEST).write_bytes(checkpoints.weights_of(conv()))
    return folder


def tiny(name: str) -> Path:
    folder = Path("data") / name
    if not folder.exists():
        {"camvid": tiny_sets.camvid_folder, "cifar10": tiny_sets.cifar_folder}[name](folder)
    return folder


def new_folder() -> Path:
    return Path(tempfile.mkdtemp(dir=Path()))


def stepping() -> dict[str, Any]:
    model, optimizer = (here := fabric()).setup(net := toy_network(), sgd(net))
    return {"fabric": here, "model": model, "optimizer": optimizer, "loss": nn.CrossEntropyLoss()}


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
    "erf.reachability.receptive_field.ReceptiveField": Call(
        ReceptiveField,
        lambda: dict(FIELD),
        {"size": refused((NAN, 3), (0, 3), (-1, 3), ("3", 3), (3,), words="size|box"), "box": BOX}
        | {"jump": refused((NAN, 1), (math.inf, 1), (1j, 1)), "start": refused((NAN, 1), (math.inf, 1), ("0", 1))}
        | {"center": refused((NAN, 1), (math.inf, 1), ("0", 1))},
        free="clipped spanned_by unit grid index one_sided assumptions _local _path _image",
    ),
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
    "erf.training.erf_during_training.ErfTracker": Call(
        erf.ErfTracker,
        lambda: {"images": images()},
        {"images": IMAGES, "statistic": CHOICE, "reference": CHOICE},
        free="layer unit aggregation",  # measure checks them, which is given the network
    ),
    "erf.training.erf_during_training.ErfTracker.measure": Call(
        erf.ErfTracker(images()).measure,
        lambda: {"network": conv(), "epoch": 0},
        {"network": MEASURED, "epoch": WHOLE_0},
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
    "erf.inits.fill_": Call(
        inits.fill_,
        lambda: {"weight": torch.zeros(2, 3, 3, 3), "init": "he_normal"},
        {"weight": refused(torch.zeros(3), torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 0), None), "init": INIT}
        | {"generator": GENERATOR},
    ),
    "erf.inits.fill_layers_": Call(
        inits.fill_layers_,
        lambda: {"weights": torch.zeros(2, 4, 4, 3, 3), "init": "he_normal"},
        {
            "weights": refused(torch.zeros(3), torch.zeros(1, 2, 3, dtype=torch.int64), None, words="weight"),
            "init": INIT,
        }
        | {"generator": GENERATOR},
    ),
    "erf.inits.weight_variance": Call(
        inits.weight_variance,
        lambda: {"init": "he_normal", "channels_in": 2, "channels_out": 2, "positions": 9},
        {"init": refused("typo", "equal", 1, None), "channels_in": WHOLE, "channels_out": WHOLE, "positions": WHOLE},
    ),
    "erf.inits.center_low_profile": Call(
        inits.center_low_profile,
        lambda: {"kernel_size": (3, 3), "strength": 0.5},
        {
            "kernel_size": SIZE,
            "strength": refused(-0.1, 1.1, *NO_NUMBERS),
            "period": refused((0, 1), (1,), (1.5, 1), "11"),
        },
    ),
    "erf.inits.center_low_": Call(
        inits.center_low_,
        lambda: {"module": conv(), "strength": 0.5},
        {"module": WEIGHTS, "strength": refused(-0.1, 1.1, *NO_NUMBERS)},
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
    "erf.training.batch_norm.calibrate_batch_norm_": Call(
        batch_norm.calibrate_batch_norm_,
        lambda: {"network": normed(), "images": images()},
        {"network": refused(None, normed(NAN), with_buffer(NAN, nn.BatchNorm2d(2)), words="network|parameter|buffer")}
        | {"images": Kind([*NO_IMAGES, [], [images(), images() * NAN]], "image|Tensor|batch")},
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
    "erf.arguments.device.resolve_device": Call(
        devices.resolve_device, lambda: {"name": "cpu"}, {"name": refused("gpu", "", None, 0, words="device=")}
    ),
    "erf.arguments.device.named_device": Call(
        devices.named_device, lambda: {"device": "cpu"}, {"device": refused("gpu", "", None, 0)}
    ),
    "erf.seeds.derive": Call(derive, lambda: {"seed": 0}, {"seed": WHOLE_0}, free="indices"),
    "erf.seeds.generator": Call(generator_of, lambda: {"seed": 0}, {"seed": WHOLE_0}, free="indices"),
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
    "erf.data.pictures.Pictures": Call(
        Pictures,
        lambda: {"folder": folder_of_pictures(Path()), "input_size": (8, 8)},
        {"folder": PATH, "input_size": Kind([(8, 8, 8), *SIZE.values], "input_size=.* whole"), "unreadable": CHOICE}
        | {"channels": refused(0, 2, 4, 3.0, True, None), "batch_size": WHOLE, "limit": refused(0, -1, 1.5, True, "3")}
        | {"mean": refused(*NO_ARRAYS, (0.5,)), "std": refused(*NO_ARRAYS, (0.5,), (1, 1, 0))},
    ),
    "erf.data.noise.NoiseImages": Call(
        NoiseImages,
        lambda: {"noise": "normal", "shape": (1, 5, 5), "count": 2},
        {"noise": CHOICE, "shape": refused((3,), (1, 0, 5), (1, 5.5, 5), (True, 5, 5), (1,) * 5, "155")}
        | {"count": WHOLE, "seed": WHOLE_0, "batch_size": WHOLE},
    ),
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
    "erf.training.plan.Plan": Call(
        lambda **changes: toy_plan(**changes),
        dict,
        {"best_by": refused(None, 3), "epochs": WHOLE, "seed": WHOLE_0}
        | {"accumulate": WHOLE, "calibration": WHOLE, "checkpoint_steps": WHOLE},
        free="batches validation loss metrics learning_rate settings",
    ),
    "erf.training.plan.Epoch": Call(
        training.Epoch,
        lambda: {"number": 0, "loss": None, "metrics": {}, "measured": {}},
        {"number": WHOLE_0, "loss": FINITE},
        free="metrics measured",
    ),
    "erf.training.processes.make_fabric": Call(
        training.make_fabric,
        lambda: {"device": torch.device("cpu")},
        {"device": refused("cpu", None), "processes": WHOLE, "precision": CHOICE},
    ),
    "erf.training.processes.launch": Call(
        training.launch, lambda: {"fabric": fabric(), "function": lambda _: 1}, {}, free="fabric function arguments"
    ),
    "erf.training.loop.train": Call(
        lambda **arguments: next(training.train(**arguments)),
        lambda: (
            {"fabric": fabric(), "network": (net := toy_network()), "optimizer": sgd(net), "plan": toy_plan()}
            | {"folder": Path("training")}
        ),
        {
            "network": refused(None, "net"),
            "optimizer": refused(None),
            "plan": refused(None, {}, toy_plan(metrics=None), words="plan|metrics"),
            "folder": PATH,
        },
        free="fabric on_epoch progress",
    ),
    "erf.training.plan.best_epoch": Call(
        training.best_epoch,
        lambda: {"history": EPOCHS, "metric": "accuracy"},
        {"history": refused([], EPOCHS[:1], words="epoch"), "metric": refused("", "typo", None)},
    ),
    "erf.training.checkpoints.half_precision_weights": Call(
        checkpoints.half_precision_weights, lambda: {"network": normed()}, {"network": refused(None, "network")}
    ),
    "erf.training.checkpoints.best_weights": Call(
        training.best_weights, lambda: {"fabric": fabric(), "folder": weights_folder()}, {"folder": PATH}, free="fabric"
    ),
    "erf.training.checkpoints.load_weights": Call(
        training.load_weights,
        lambda: {"network": conv(), "weights": checkpoints.weights_of(conv())},
        {"network": NETWORK, "weights": refused(None, "best.safetensors", b"", b"x", checkpoints.weights_of(normed()))},
    ),
    "erf.training.loop.evaluate": Call(
        training.evaluate,
        lambda: {"fabric": fabric(), "network": toy_network(), "batches": toy_plan().validation, "metrics": accuracy()},
        {"network": NETWORK, "metrics": refused(None, "accuracy")},
        free="fabric batches",
    ),
    "erf.training.loop.calibrate": Call(
        training.calibrate,
        lambda: {"network": toy_network(), "batches": toy_plan().batches, "count": 2, "device": torch.device("cpu")},
        {"network": NETWORK, "count": WHOLE, "batches": refused(NoBatches(), words="no batch")},
        free="device",
    ),
    "erf.training.loop.training_step": Call(
        training.training_step,
        lambda: stepping() | {"images": images(2, 3, 6, 6), "targets": torch.tensor([0, 1])},
        {"accumulate": WHOLE},
        free="fabric model optimizer loss images targets",  # the innermost step, which train calls with what it checked
    ),
    "erf.data.augment.FlipAndShift": Call(
        augment.FlipAndShift, dict, {"shift": WHOLE_0, "flip": refused(None, "no", 0)}
    ),
    "erf.data.augment.FlipAndShift.__call__": Call(
        augment.FlipAndShift(1),
        lambda: {"images": pixels(), "labels": torch.tensor([0, 1]), "generator": generator()},
        {"images": refused(pixels(3, 4), None), "labels": refused(torch.tensor([0]), None), "generator": GENERATOR},
    ),
    "erf.data.batches.Batches": Call(
        batches.Batches,
        lambda: {"split": a_split(), "batch_size": 2},
        {"split": refused(None, pixels()), "batch_size": WHOLE, "seed": WHOLE_0},
        free="augment shuffle drop_last",
    ),
    "erf.data.batches.Batches.epoch": Call(
        lambda **arguments: list(batches.Batches(a_split(), 1).epoch(**arguments)),
        lambda: {"epoch": 0},
        STEP,
        free="device",
    ),
    "erf.data.batches.Portions": Call(
        batches.Portions,
        lambda: {"batches": batches.Batches(a_split(), 1), "length": 2},
        {"batches": refused(None, a_split()), "length": WHOLE},
    ),
    "erf.data.batches.Portions.epoch": Call(
        lambda **arguments: list(batches.Portions(batches.Batches(a_split(), 1), 2).epoch(**arguments)),
        lambda: {"epoch": 0},
        STEP,
        free="device",
    ),
    "erf.data.split.Normalization": Call(
        split.Normalization,
        lambda: {"mean": (0.5,), "std": (0.1,)},
        {
            "mean": refused((NAN,), (1j,), ("1",), (0.1, 0.2), 0.5),
            "std": refused((NAN,), (math.inf,), (0.0,), (-1.0,), ()),
        },
    ),
    "erf.data.split.Normalization.of": Call(split.Normalization.of, lambda: {"images": pixels()}, {"images": BYTES}),
    "erf.data.split.Normalization.__call__": Call(
        split.Normalization(),
        lambda: {"images": pixels()},
        {"images": Kind([*BYTES.values, pixels(2, 1, 4, 4)], "uint8|Tensor|channels")},
    ),
    "erf.data.split.Split": Call(
        split.Split,
        lambda: {"images": pixels(), "labels": torch.tensor([0, 1])},
        {"images": BYTES, "normalization": refused(None, (0.5, 0.1))}
        | {"labels": refused(torch.tensor([0]), torch.tensor([0.0, 1.0]), torch.tensor([-1, 0]), [0, 1], None)},
    ),
    "erf.data.split.DataSet": Call(
        split.DataSet,
        lambda: dict.fromkeys(("train", "validation", "test"), a_split()) | {"classes": ("a", "b")},
        dict.fromkeys(("train", "validation", "test"), refused(None, pixels())),
        free="classes",
    ),
    "erf.data.camvid.median_frequency_weights": Call(
        camvid.median_frequency_weights,
        lambda: {"labels": torch.tensor([[[0, 1], [1, 1]]]), "classes": 2},
        {
            "labels": refused(
                torch.zeros(1, 2, 2), torch.zeros(2, 2, dtype=torch.int64), torch.full((1, 2, 2), 256), None
            )
        }
        | {"classes": WHOLE},
    ),
    "erf.data.camvid.load": Call(
        camvid.load, lambda: {"data_dir": tiny("camvid").parent, "partial": True}, {"data_dir": PATH}, free="partial"
    ),
    "erf.data.camvid.read": Call(
        camvid.read, lambda: {"folder": tiny("camvid"), "partial": True}, {"folder": PATH}, free="partial"
    ),
    "erf.data.camvid.is_in": Call(camvid.is_in, lambda: {"folder": tiny("camvid")}, {"folder": PATH}),
    "erf.data.camvid.copy": Call(
        camvid.copy, lambda: {"source": tiny("camvid"), "target": new_folder()}, {"source": PATH, "target": PATH}
    ),
    "erf.data.cifar10.load": Call(
        cifar10.load, lambda: {"data_dir": tiny("cifar10").parent, "partial": True}, {"data_dir": PATH}, free="partial"
    ),
    "erf.data.cifar10.read": Call(
        cifar10.read, lambda: {"folder": tiny("cifar10"), "partial": True}, {"folder": PATH}, free="partial"
    ),
    "erf.data.cifar10.read_pools": Call(
        cifar10.read_pools, lambda: {"folder": tiny("cifar10"), "partial": True}, {"folder": PATH}, free="partial"
    ),
    "erf.data.cifar10.is_in": Call(cifar10.is_in, lambda: {"folder": tiny("cifar10")}, {"folder": PATH}),
    "erf.data.cifar10.write_pools": Call(
        cifar10.write_pools,
        lambda: {"pools": {"test": a_split()}, "folder": new_folder()},
        {"folder": PATH},
        free="pools",
    ),
    "erf.networks.conv_stack.ConvStack": Call(
        conv_stack.ConvStack, lambda: {"depth": 2}, CONV_STACK, free="final_activation"
    ),
    "erf.networks.sparse_convolution.SparseStack": Call(
        sparse_convolution.SparseStack,
        lambda: {"depth": 2, "kernel_size": 5},
        CONV_STACK | {"side": refused(2, 7, *NO_WHOLE_NUMBERS), "connections": CHOICE},
        free="final_activation",
    ),
    "erf.networks.sparse_convolution.SparseConv2d": Call(
        sparse_convolution.SparseConv2d,
        lambda: {"channels_in": 1, "channels_out": 2, "positions": torch.zeros(1, 2), "area": 3},
        {"channels_in": WHOLE, "channels_out": WHOLE, "area": WHOLE, "padding": WHOLE_0, "init": INIT}
        | {
            "positions": refused(
                torch.zeros(1, 2) * NAN, torch.zeros(2), torch.zeros(1, 2) + 2, [[0, 0]], words="positions|area"
            )
        }
        | {"generator": GENERATOR},
    ),
    "erf.networks.residual_stack.ResidualStack": Call(
        residual_stack.ResidualStack,
        lambda: {"blocks": 2},
        {"blocks": WHOLE, "branch_depth": WHOLE, "channels": WHOLE, "input_channels": WHOLE, "kernel_size": WHOLE}
        | {"gain": FINITE, "order": CHOICE, "init": CHOICE, "activation": CHOICE},
        free="batch_norm final_activation",
    ),
    "erf.networks.subsampled_stack.SubsampledStack": Call(
        subsampled_stack.SubsampledStack,
        lambda: {"stack": a_stack(), "strides": (1, 2), "dilations": (1, 1)},
        {"stack": STACK, "strides": refused((1,), (0, 1), (1.5, 1), (True, 1), ()), "pooling": CHOICE}
        | {"dilations": refused((1,), (0, 1), (1.5, 1), (True, 1), ())},
    ),
    "erf.networks.attention_stack.stack_with": Call(
        attention_stack.stack_with,
        lambda: {"stack": a_stack(), "block": "none", "below": 1, "side": 5, "generator": generator()},
        {"stack": STACK, "block": CHOICE, "below": Kind([3, *NO_WHOLE_NUMBERS]), "side": WHOLE, "generator": GENERATOR},
    ),
    "erf.networks.fully_connected.FullyConnected": Call(
        fully_connected.FullyConnected,
        lambda: {"channels": 2, "size": (3, 3)},
        {"channels": refused(0, *NO_WHOLE_NUMBERS, words="channels"), "size": SIZE, "generator": GENERATOR},
    ),
    "erf.networks.plain_cnn.PlainCnn": Call(
        plain_cnn.PlainCnn,
        lambda: {"kernel_size": 3, "width": 1},
        {"kernel_size": WHOLE, "width": WHOLE, "classes": WHOLE, "input_channels": WHOLE, "init": INIT}
        | {"generator": GENERATOR},
    ),
    "erf.networks.cifar_resnet.CifarResNet": Call(
        cifar_resnet.CifarResNet,
        lambda: {"width": 1},
        {"width": WHOLE, "classes": WHOLE, "input_channels": WHOLE, "generator": GENERATOR},
        free="batch_norm",
    ),
    "erf.networks.camvid_frontend.CamvidFrontend": Call(
        camvid_frontend.CamvidFrontend,
        lambda: {"widths": (1, 1, 1, 1)},
        {"widths": refused((1, 1, 1), (1, 0, 1, 1), (1, 1.5, 1, 1), (1, NAN, 1, 1), 4), "classes": WHOLE}
        | {"input_channels": WHOLE, "generator": GENERATOR},
        free="batch_norm",
    ),
    "erf.networks.camvid_frontend.upsample": Call(
        camvid_frontend.upsample,
        lambda: {"logits": torch.zeros(1, 2, 2, 2), "size": (20, 20)},
        {"logits": refused(None, [[1.0]]), "size": SIZE},
    ),
    "erf.networks.batch_norm.fold_batch_norm_": Call(
        folding.fold_batch_norm_,
        lambda: {"network": normed()},
        {"network": refused(None, normed(NAN), with_buffer(NAN), words="network|parameter|buffer")},
    ),
    "erf.networks.start.check_gain": Call(
        start.check_gain,
        lambda: {"start": "small_gain", "gain": 0.5},
        {"start": CHOICE, "gain": refused(1.1, -0.1, *NO_NUMBERS, words="gain=.* from 0 to 1")},
    ),
    "erf.networks.start.start_": Call(
        start.start_,
        lambda: {"network": normed(), "start": "small_gain", "gain": 0.5},
        {
            "network": refused(None, normed(NAN), conv(), words="network|parameter|batch norm"),
            "start": Kind(CHOICE.values, "start=.* allowed: "),
            "gain": refused(1.1, *NO_NUMBERS, words="gain=.* from 0 to 1"),
        },
        free="generator",
    ),
    "erf.networks.residual.convolution": Call(
        residual.convolution,
        lambda: {"channels_in": 1, "channels_out": 2, "generator": None},
        {"channels_in": WHOLE, "channels_out": WHOLE, "kernel_size": WHOLE, "stride": WHOLE, "init": INIT}
        | {"generator": GENERATOR},
        free="bias",
    ),
    "erf.networks.residual.ConvUnit": Call(
        residual.ConvUnit,
        lambda: {"channels_in": 1, "channels_out": 2, "generator": None},
        {"channels_in": WHOLE, "channels_out": WHOLE, "stride": WHOLE, "generator": GENERATOR},
        free="batch_norm",
    ),
    "erf.networks.residual.BasicBlock": Call(
        residual.BasicBlock,
        lambda: {"channels": 2, "generator": None},
        {"channels": refused(0, *NO_WHOLE_NUMBERS, words="channels"), "generator": GENERATOR},
        free="batch_norm",
    ),
    "erf.networks.residual.norm": Call(
        residual.norm, lambda: {"channels": 2, "batch_norm": True}, {"channels": WHOLE}, free="batch_norm"
    ),
    "erf.networks.pointwise.pointwise": Call(
        pointwise.pointwise,
        lambda: {"channels_in": 1, "channels_out": 2, "generator": None},
        {"channels_in": WHOLE, "channels_out": WHOLE, "generator": GENERATOR},
    ),
    "erf.networks.pointwise.reduced": Call(
        pointwise.reduced, lambda: {"channels": 4, "reduction": 2}, {"channels": WHOLE, "reduction": WHOLE}
    ),
}
BLOCK = {"channels": refused(0, *NO_WHOLE_NUMBERS, words="channels"), "generator": GENERATOR}
for block, more in {
    multi_scale.MultiScaleAttention: {},
    residual_attention.ResidualAttention: {},
    non_local.NonLocalAttention: {"reduction": WHOLE},
    recurrent.RecurrentAttention: {"reduction": WHOLE, "passes": WHOLE},
    second_order.SecondOrderAttention: {"reduction": WHOLE},
    squeeze_excitation.SqueezeExcitation: {"reduction": WHOLE},
}.items():
    CALLS[f"{block.__module__}.{block.__name__}"] = Call(block, lambda: {"channels": 4}, BLOCK | more)
