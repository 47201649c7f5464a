"""What every public function refuses, by the table in public_calls."""

import enum
import inspect
import pkgutil
import re
import sys
from functools import reduce
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import erf
from erf import InvalidInput
from erf.arguments import real_array, require_weights, shown
from erf.inits import Init
from erf.networks.conv_stack import ConvStack
from erf.networks.residual_stack import Order, ResidualStack
from erf.training.batch_norm import calibrate_batch_norm_
from tests.erf.public_calls import CALLS
from tests.erf.public_calls.valid import a_map, conv, images, normed, with_buffer

# What users import, and of the other modules those that the documentation names.
MODULES = [
    "erf.theory.linear_stacks",
    "erf.theory.expected_maps",
    "erf.theory.path_moments",
    "erf.inits",
    "erf.compatibility",
    "erf.training.checkpoints",
    "erf.training.loop",
    "erf.training.plan",
    "erf.training.processes",
    "erf.plotting",
    "erf.data.pictures",
    "erf.data.noise",
]
MODULES += [
    "erf.stacks.stack_influence",
    "erf.training.batch_norm",
    "erf.metrics.grid_average",
    "erf.metrics.normal_distance",
]
MODULES += [
    "erf.metrics.erf_size",
    "erf.metrics.gaussian_fit",
    "erf.maps.influence_map",
    "erf.maps.sampled_map",
    "erf.arguments.device",
    "erf.seeds",
]
READERS_OF_FILES = {"erf.data.image_files", "erf.data.picture_file", "erf.data.problems"}  # internal to erf.data
for package in ("erf.networks", "erf.data"):
    inside = pkgutil.walk_packages(import_module(package).__path__, f"{package}.")
    MODULES += [each.name for each in inside if each.name not in READERS_OF_FILES]

# Without an argument that could be bad, or no functions at all.
WITHOUT_A_ROW = {"erf.arguments.device.available_devices", "erf.arguments.device.full_float32"}
WITHOUT_A_ROW |= {
    "erf.arguments.device.enough_memory",
    "erf.training.plan.require_batches",
    "erf.training.processes.require_fabric",
}
# What functions return, made by them alone.
WITHOUT_A_ROW |= {f"erf.layers.measured_layer.{name}" for name in ("LayerMeasurement", "Setting")}
WITHOUT_A_ROW |= {"erf.measurement.measurement.Measurement", "erf.agreement.agreement.Agreement"}
# Steps of a function that checks what it is given.
WITHOUT_A_ROW |= {
    "erf.maps.influence_map.is_left_out",
    "erf.metrics.grid_average.moving_mean",
    "erf.theory.path_moments.sigma_of",
    "erf.metrics.normal_distance.line_distance",
    "erf.data.bands.read_bands",  # called by Pictures alone
    "erf.maps.influence_map.scaled",
    *(f"erf.training.checkpoints.{name}" for name in ("resumed", "save_last", "weights_of", "write_checkpoint")),
}
WITHOUT_A_ROW |= {
    "erf.training.loop.Diverged",
    "erf.training.checkpoints.Progress",
    "erf.training.plan.Batches",
    "erf.errors.InvalidInput",
    "erf.errors.InternalError",
}

REFUSED = [(name, argument) for name, call in CALLS.items() for argument in call.refused]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def public_names(module: ModuleType) -> set[str]:
    """Return the names of the functions and classes that ``module`` defines; enumerations take no arguments."""
    own = {name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
    chosen = {name for name in own if inspect.isfunction(vars(module)[name]) or inspect.isclass(vars(module)[name])}
    enums = {name for name in chosen if isinstance(vars(module)[name], enum.EnumMeta)}
    return {f"{module.__name__}.{name}" for name in chosen - enums if not name.startswith("_")}


def functions_without_a_row(rows: set[str]) -> set[str]:
    public = set().union(*(public_names(import_module(name)) for name in MODULES))
    no_calls = (ModuleType, enum.EnumMeta)
    exported = [getattr(erf, name) for name in erf.__all__]
    public |= {f"{each.__module__}.{each.__name__}" for each in exported if not isinstance(each, no_calls)}
    return public - rows - WITHOUT_A_ROW


def test_every_public_function_has_a_row():
    assert not functions_without_a_row(set(CALLS))
    for removed in (
        "erf.maps.influence.influence",
        "erf.theory.linear_stacks.variance",
        "erf.networks.plain_cnn.PlainCnn",
    ):
        assert functions_without_a_row(set(CALLS) - {removed}) == {removed}


def resolved(name: str) -> Any:
    """Return the function, class or method called ``name``."""
    module = max((each for each in sys.modules if name.startswith(f"{each}.")), key=len)
    return reduce(getattr, name.removeprefix(f"{module}.").split("."), sys.modules[module])


@pytest.mark.parametrize("name", CALLS)
def test_every_argument_has_an_entry(name):
    arguments = set(inspect.signature(resolved(name)).parameters) - {"self"}
    assert arguments == {*CALLS[name].refused, *CALLS[name].free.split()}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_allowed_is_accepted(name):
    call = CALLS[name]
    call.function(**call.valid())


@pytest.mark.parametrize(("name", "argument"), REFUSED)
def test_what_is_not_allowed_is_one_line_that_names_it(name, argument):
    call, kind = CALLS[name], CALLS[name].refused[argument]
    words = kind.words.format(name=argument) if kind.words else argument
    for value in kind.values:
        with pytest.raises(InvalidInput) as caught:
            pytest.fail(f"{shown(value)} is accepted: {call.function(**call.valid() | {argument: value})}")
        assert re.fullmatch(f".*({words}).*", str(caught.value)), str(caught.value)  # . is no line's end


def test_numbers_of_numpy_and_other_sequences_count():
    size, three = torch.zeros(7, 9).shape, np.int64(3)
    assert erf.theoretical_receptive_field(conv(), size, channels=np.int64(1)).size == (3, 3)
    assert erf.theoretical_receptive_field(conv(), [7, 9], unit=(three, 0)).unit == (3, 0)
    assert erf.mass_radius(a_map(), np.float32(0.5)) == erf.mass_radius(a_map(), 0.5)
    assert erf.ConvLayer((three, three)).kernel_size == erf.ConvLayer(three).kernel_size == (3, 3)
    images_ = images()
    assert np.array_equal(
        erf.effective_receptive_field(conv(), images_, aggregation=np.int64(1)).values,
        erf.effective_receptive_field(conv(), images_, aggregation=1).values,
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64, np.uint8])
def test_values_are_kept_to_the_last_bit_as_float64(dtype):
    values = np.array([[1, 2], [3, 255]], dtype)
    read = a_map(values=values, trf_box=((0, 2), (0, 2)), center=(0.5, 0.5)).values
    assert read.dtype == np.float64
    assert (read == values).all()
    assert (read is values) == (dtype is np.float64)
    assert real_array(values, "values").dtype == (dtype if np.dtype(dtype).kind == "f" else np.float64)


def test_scores_of_bytes_do_not_overflow():
    scores = erf.compatibility.replknet_scores(np.array([[0, 255]], np.uint8))
    assert scores.tolist() == [[0, 1]]


@pytest.mark.parametrize("spoilt", ["weight", "bias"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_parameter_that_is_not_finite_is_named_although_no_gradient_shows_it(spoilt, value):
    network = torch.nn.Sequential(conv(), torch.nn.ReLU())
    getattr(network[0], spoilt).data[1] = value
    for measure in (erf.effective_receptive_field, erf.compatibility.openerf_map):
        with pytest.raises(InvalidInput, match=f"^parameter '0.{spoilt}' has values that are not finite$"):
            measure(network, images())


def test_infinite_masks_and_values_whose_sum_overflows_are_allowed():
    require_weights(with_buffer(-np.inf))
    require_weights(with_buffer(torch.finfo(torch.float32).max))
    large = torch.nn.Linear(2, 2, bias=False)
    large.weight.data.fill_(torch.finfo(torch.float32).max)
    require_weights(large)
    with pytest.raises(InvalidInput, match="buffer 'mask' has values that are NaN"):
        require_weights(with_buffer(np.nan))


@pytest.mark.parametrize("bad", [[], [images() * np.nan], [images(), images().to(torch.uint8)], [images() * 1e38]])
def test_a_refused_calibration_leaves_the_statistics_as_they_were(bad):
    network = normed(1e10)
    network(images())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.eval()
    with pytest.raises(InvalidInput):
        calibrate_batch_norm_(network, bad)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.training
    assert network[1].momentum == 0.1


def test_calibration_mends_statistics_that_are_nan():
    network = normed()
    network[1].running_mean.fill_(np.nan)
    calibrate_batch_norm_(network, images())
    assert network[1].running_mean.isfinite().all()


def test_a_choice_by_its_name_is_the_choice():
    profile = ((1.0, 2.0, 1.0),) * 3
    named, member = (ConvStack(1, init=init, profile=profile) for init in ("equal", Init.equal))
    assert named == member
    drawn = [stack.draw_weights(torch.Generator().manual_seed(0))[0] for stack in (named, member)]
    assert torch.equal(*drawn)
    stacks = [ResidualStack(2, order=order) for order in ("post_activation", Order.post_activation)]
    assert [type(layer) for layer in stacks[0].network(torch.Generator())] == [
        type(layer) for layer in stacks[1].network(torch.Generator())
    ]
    assert stacks[0].order is Order.post_activation
