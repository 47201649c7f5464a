"""The theoretical receptive field, against NaN poisoning, closed forms and its own promises."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision import models
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from torchvision.models.segmentation.fcn import FCN, FCNHead

from erf.errors import InvalidInput
from erf.reachability import registry
from erf.reachability.forward import trace
from erf.reachability.receptive_field import ReceptiveField, theoretical_receptive_field
from erf.reachability.record import Step
from tests.erf.hard_cases import LINE, PLANE, VOLUME, Forward, Network
from tests.oracles.nan_poisoning import Box, poisoned_box, values_at

NEEDS_MULTIPLES_OF_4 = {"shifted windows", "pixel unshuffle", "focus"}
CASES = [
    *((name, make, size) for name, make in PLANE.items() for size in [(16, 12), (17, 13)]
      if size == (16, 12) or name not in NEEDS_MULTIPLES_OF_4),
    *((name, make, (19,)) for name, make in LINE.items()),
    *((name, make, (7, 9, 8)) for name, make in VOLUME.items()),
]  # fmt: skip
IDS = [f"{name}-{size}" for name, _, size in CASES]


def test_the_worked_example_of_the_paper_s_recursion() -> None:
    network = nn.Sequential(*(nn.Conv2d(1, 1, 3) for _ in range(4)), nn.MaxPool2d(2, stride=1))
    field = theoretical_receptive_field(network, (10, 10))
    sizes = [line.split()[2] for line in field.table().splitlines()[1:6]]
    assert sizes == ["3", "5", "7", "9", "10"]
    assert field == ReceptiveField(
        size=(10, 10), jump=(1, 1), start=(4.5, 4.5), box=((0, 10), (0, 10)), clipped=(False, False),
        spanned_by=(None, None), unit=(0, 0), grid=(1, 1), index=(slice(None), slice(None), 0, 0),
        one_sided=(None, None), center=(4.5, 4.5),
    )  # fmt: skip


RESNET_50 = {"layer1": (35, 4), "layer2": (91, 8), "layer3": (267, 16), "layer4": (427, 32)}


def test_padding_does_not_clip_a_resnet_s_field() -> None:
    with torch.device("meta"):
        network = models.resnet50()
    fields = theoretical_receptive_field(network, (224, 224), list(RESNET_50))
    assert {name: (f.size[0], f.jump[0]) for name, f in fields.items()} == RESNET_50
    assert fields["layer4"].box == ((-117, 310), (-117, 310))
    assert fields["layer4"].clipped == (True, True)
    assert fields["layer2"].clipped == (False, False)
    field = theoretical_receptive_field(network, (224, 224))
    assert field.size == (math.inf, math.inf)
    assert field.box == ((0, 224), (0, 224))
    assert field.spanned_by == ("avgpool", "avgpool")


def test_a_map_of_one_unit_still_knows_its_jump() -> None:
    with torch.device("meta"):
        network = models.resnet50()
    field = theoretical_receptive_field(network, (32, 32), "layer4")
    assert (field.size, field.jump, field.start) == ((427, 427), (32, 32), (0, 0))


def recursion(layers: list[tuple[int, int, int, int]]) -> tuple[int, int, float]:
    """Size, jump and start after layers of (kernel size, stride, dilation, padding)."""
    size, jump, start = 1, 1, 0.0
    for kernel, stride, dilation, padding in layers:
        size += (kernel - 1) * dilation * jump
        start += ((kernel - 1) * dilation / 2 - padding) * jump
        jump *= stride
    return size, jump, start


windows = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), st.integers(0, 4))


@given(st.lists(windows, min_size=1, max_size=5), st.integers(0, 100))
def test_a_stack_has_the_closed_form(layers: list[tuple[int, int, int, int]], place: int) -> None:
    convs = [nn.Conv1d(1, 1, k, stride=s, dilation=d, padding=p, device="meta") for k, s, d, p in layers]
    size, jump, start = recursion(layers)
    units = _sizes(2000, layers)
    unit = min(place, units - 1)
    field = theoretical_receptive_field(nn.Sequential(*convs), (2000,), unit=(unit,))
    assert (field.size, field.jump, field.start) == ((size,), (jump,), (start,))
    assert field.center == (start + unit * jump,)
    ((low, high),) = field.box
    assert high - low == size
    assert field.clipped == (low < 0 or high > 2000,)


def _sizes(size: int, layers: list[tuple[int, int, int, int]]) -> int:
    for kernel, stride, dilation, padding in layers:
        size = (size + 2 * padding - (kernel - 1) * dilation - 1) // stride + 1
    return size


def bounded_box(step: Step, place: tuple[int | slice, ...]) -> Box | None:
    """The pixels of this image that reach a place in a module's output."""
    boxes = [reach.dense()[(slice(None), *place)].reshape(4, -1).min(1)[:2] for reach in step.outputs[0]]
    if any(np.isinf(first) for first, _ in boxes):
        return None
    return tuple((int(first), int(1 - last)) for first, last in boxes)


def within(box: Box, size: tuple[int, ...]) -> Box:
    return tuple((max(low, 0), min(high, n)) for (low, high), n in zip(box, size, strict=True))


def seeded(make: Network) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make().eval().double()


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(("name", "make", "size"), CASES, ids=IDS)
def test_hard_cases_read_what_nan_poisoning_finds(name: str, make: Network, size: tuple[int, ...]) -> None:
    """Exactly, borders and holes included, once padding is told to read nothing."""
    network = seeded(make)
    step = trace(network, size, 2, bounded=True).steps[-1]
    grid = step.outputs[0][0].shape[2:]
    for share in (0.0, 0.5, 1.0):
        place = (0, slice(None), *(round(share * (n - 1)) for n in grid))
        assert bounded_box(step, place) == poisoned_box(values_at(network, None, place), 2, size), (name, place)


# Where a layer pads by more than it reads, or dilates into the padding, a field on an unbounded image ends beyond the
# border, while on this one the pixels in reach end before it.
ENDS_BEFORE_THE_BORDER = {("1-D", (19,))}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(("name", "make", "size"), CASES, ids=IDS)
def test_hard_cases_clip_to_what_nan_poisoning_finds(name: str, make: Network, size: tuple[int, ...]) -> None:
    network = seeded(make)
    field = theoretical_receptive_field(network, size, channels=2)
    grid = trace(network, size, 2).steps[-1].outputs[0][0].shape[2:]
    poisoned = poisoned_box(values_at(network, None, (0, slice(None), *(n // 2 for n in grid))), 2, size)
    assert (within(field.box, size) == poisoned) == ((name, size) not in ENDS_BEFORE_THE_BORDER)


@st.composite
def stacks(draw: st.DrawFn, depth: int = 4, grow: bool = True) -> Callable[[], nn.Module]:
    """A random network on 1-D maps of 2 channels: layers, residual and dense branches."""
    return draw(st.lists(_layers(depth, grow), min_size=1, max_size=depth).map(_sequential))


def _sequential(makes: list[Network]) -> Network:
    return lambda: nn.Sequential(*(make() for make in makes))


def _layers(depth: int, grow: bool) -> st.SearchStrategy[Network]:
    kinds = [_same_size(), _pooling(), _slicing()]
    if grow:
        kinds += [_upsampling()]
    if depth > 1:
        inner = st.lists(_same_size(), min_size=1, max_size=3).map(_sequential)
        kinds += [st.tuples(inner, inner).map(_residual), st.tuples(inner, inner).map(_dense)]
    return st.one_of(kinds)


def _same_size() -> st.SearchStrategy[Network]:
    """Odd kernels with padding, a roll, a flip: what branches may hold."""
    convs = st.tuples(st.sampled_from([1, 3, 5]), st.integers(1, 3), st.sampled_from([1, 2]))
    rolls = st.integers(-3, 3).map(lambda n: lambda: Forward(lambda x: x.roll(n, 2)))
    return st.one_of(convs.map(_padded_conv), rolls, st.just(lambda: Forward(lambda x: x.flip(2))))


def _padded_conv(options: tuple[int, int, int]) -> Network:
    kernel, dilation, groups = options
    padding = (kernel - 1) // 2 * dilation
    return lambda: nn.Conv1d(2, 2, kernel, padding=padding, dilation=dilation, groups=groups)


def _pooling() -> st.SearchStrategy[Network]:
    pools = st.tuples(st.integers(2, 4), st.integers(1, 3), st.integers(0, 1), st.booleans())
    return st.one_of(
        pools.map(lambda p: lambda: nn.MaxPool1d(p[0], p[1], p[2], ceil_mode=p[3])),
        pools.map(lambda p: lambda: nn.AvgPool1d(p[0], p[1], p[2], ceil_mode=p[3])),
        st.integers(3, 9).map(lambda n: lambda: nn.AdaptiveAvgPool1d(n)),
    )


def _slicing() -> st.SearchStrategy[Network]:
    slices = st.tuples(st.integers(0, 2), st.integers(1, 2), st.integers(1, 2))
    return st.one_of(
        slices.map(lambda s: lambda: Forward(lambda x: x[..., s[0] : x.shape[2] - s[1] : s[2]])),
        slices.map(lambda s: lambda: Forward(lambda x: F.pad(x, (s[0], s[1])))),
        st.just(lambda: Forward(_pairs)),
    )


def _pairs(x: Tensor) -> Tensor:
    """A window that is all there is would span the axis."""
    if x.shape[2] < 4:
        raise RuntimeError("too short")
    return x[:, :, x.shape[2] % 2 :].unflatten(2, (-1, 2)).amax(3)


def _upsampling() -> st.SearchStrategy[Network]:
    up = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.integers(0, 1))
    return st.one_of(
        up.map(lambda u: lambda: nn.ConvTranspose1d(2, 2, u[0] + 1, u[1], u[3], dilation=u[2])),
        st.sampled_from(["nearest", "linear"]).map(lambda mode: lambda: nn.Upsample(scale_factor=2, mode=mode)),
        st.just(lambda: Forward(lambda x: x.reshape(x.shape[0], 2, -1, 1).expand(-1, -1, -1, 2).flatten(2))),
    )


def _residual(branches: tuple[Network, Network]) -> Network:
    return lambda: Forward(lambda x, a, b: a(x) + b(a(x)) + x, branches[0](), branches[1]())


def _dense(branches: tuple[Network, Network]) -> Network:
    """The second branch sees one channel of the first and one of the input: channels are not all alike."""
    return lambda: Forward(
        lambda x, a, b: torch.cat([x[:, :1], b(torch.cat([x[:, 1:], a(x)[:, :1]], 1))[:, 1:]], 1),
        branches[0](), branches[1](),
    )  # fmt: skip


def units_of(network: nn.Module, size: int) -> int:
    """The length of the output; networks that leave nothing over are not drawn."""
    try:
        units = network(torch.zeros(1, 2, size, dtype=torch.float64)).shape[2]
    except RuntimeError:
        reject()
    assume(units)
    return units


@settings(max_examples=60)
@given(stacks(), st.floats(0, 1))
def test_drawn_networks_read_what_nan_poisoning_finds(make: Network, share: float) -> None:
    network = seeded(make)
    place = (0, slice(None), round(share * (units_of(network, 24) - 1)))
    step = trace(network, (24,), 2, bounded=True).steps[-1]
    assert bounded_box(step, place) == poisoned_box(values_at(network, None, place), 2, (24,))


@settings(max_examples=30)
@given(stacks(), st.floats(0.3, 0.7))
def test_drawn_networks_have_the_box_of_a_large_image(make: Network, share: float) -> None:
    """Far from the border an image is unbounded, and the box is what is found there."""
    network = seeded(make)
    unit = round(share * (units_of(network, 200) - 1))
    poisoned = poisoned_box(values_at(network, None, (0, slice(None), unit)), 2, (200,))
    if poisoned is None:
        with pytest.raises(InvalidInput, match="no input pixel reaches"):
            theoretical_receptive_field(network, (200,), unit=(unit,), channels=2)
        return
    field = theoretical_receptive_field(network, (200,), unit=(unit,), channels=2)
    if not field.clipped[0]:
        assert field.box == poisoned
        assert field.size[0] == poisoned[0][1] - poisoned[0][0]


def _torchvision(name: str, **options: object) -> nn.Module:
    untrained = {"weights": None} | ({"weights_backbone": None} if name in SEGMENTATION else {})
    skipped = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return models.get_model_builder(name)(**untrained, **skipped, **options)


SEGMENTATION = set(models.list_models(module=models.segmentation))
# Made of the same kinds of layers as others, or large.
SLOW = SEGMENTATION | {"convnext_tiny", "densenet121", "efficientnet_b0", "mobilenet_v3_small", "regnet_y_400mf"}
SLOW |= {"vgg11", "resnext50_32x4d", "inception_v3", "mobilenet_v2", "mnasnet0_5", "regnet_x_400mf"}
FAMILIES = {  # name: (extent, layer)
    "alexnet": (64, "features.12"),
    "vgg11": (33, "features.20"),
    "resnet18": (65, "layer4"),
    "resnext50_32x4d": (33, "layer3"),
    "squeezenet1_1": (39, "features.9"),
    "densenet121": (33, "features.denseblock2"),
    "googlenet": (33, "inception4b"),
    "inception_v3": (75, "Mixed_6c"),
    "shufflenet_v2_x0_5": (49, "stage3"),
    "mobilenet_v2": (49, "features.18"),
    "mobilenet_v3_small": (49, "features.12"),
    "mnasnet0_5": (49, "layers.12"),
    "efficientnet_b0": (33, "features.2"),
    "regnet_x_400mf": (49, "trunk_output.block2"),
    "regnet_y_400mf": (49, "trunk_output.block2"),
    "convnext_tiny": (32, "features.3"),
    "fcn_resnet50": (17, None),
    "deeplabv3_mobilenet_v3_large": (33, None),
    "lraspp_mobilenet_v3_large": (49, None),
}


def _family(name: str) -> object:
    return pytest.param(name, *FAMILIES[name], marks=[pytest.mark.slow] if name in SLOW else [])


@pytest.mark.parametrize(("name", "extent", "layer"), [_family(name) for name in FAMILIES])
def test_a_network_of_each_family_reads_what_nan_poisoning_finds(name: str, extent: int, layer: str | None) -> None:
    _compare_with_nan_poisoning(lambda: _torchvision(name), (extent, extent + 16), layer)


@pytest.mark.parametrize("head", [FCNHead(8, 2), DeepLabHead(8, 2, (2, 3, 4))], ids=["fcn", "deeplab"])
def test_a_toy_with_a_head_for_segmentation_reads_what_nan_poisoning_finds(head: nn.Module) -> None:
    stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU())
    _compare_with_nan_poisoning(lambda: FCN(IntermediateLayerGetter(stem, {"1": "out"}), head), (17, 33), None)


def _compare_with_nan_poisoning(make: Network, size: tuple[int, int], layer: str | None) -> None:
    network = seeded(make)
    steps = trace(network, size, 3, bounded=True).steps
    step = next(step for step in steps if step.name == (layer or ""))
    unit = tuple(n // 2 for n in step.outputs[0][0].shape[2:])
    poisoned = poisoned_box(values_at(network, layer, (0, slice(None), *unit)), 3, size)
    assert bounded_box(step, (0, slice(None), *unit)) == poisoned
    assert within(theoretical_receptive_field(network, size, layer).box, size) == poisoned


def test_shifted_windows_of_a_swin_read_what_nan_poisoning_finds() -> None:
    network, size = seeded(lambda: _torchvision("swin_t")), (56, 56)
    place = (0, 6, 6, slice(None))
    poisoned = poisoned_box(values_at(network, "features.1", place), 3, size)
    (step,) = [step for step in trace(network, size, 3, bounded=True).steps if step.name == "features.1"]
    assert bounded_box(step, place) == poisoned
    assert theoretical_receptive_field(network, size, "features.1", unit=(6, 6)).size == (56, 56)


def test_vision_transformer() -> None:
    network = _torchvision("vit_b_32", image_size=64)
    fields = theoretical_receptive_field(
        network, (64, 64), ["conv_proj", "encoder.layers.encoder_layer_0.ln_1", "encoder"]
    )
    patches, tokens, mixed = fields.values()
    assert patches.size == tokens.size == (32, 32)
    assert patches.box == tokens.box == ((32, 64), (32, 64))
    assert (tokens.jump, tokens.start) == ((32, 32), (15.5, 15.5))
    assert tokens.index == mixed.index == (slice(None), 1 + 2 * 1 + 1)
    assert patches.index == (slice(None), slice(None), 1, 1)
    assert mixed.center == tokens.center == (47.5, 47.5)
    assert mixed.size == (math.inf, math.inf)
    assert mixed.spanned_by[0] == "encoder.layers.encoder_layer_0.self_attention"


LARGE = {  # name: (extent, layer), larger than the field
    "alexnet": (288, "features.12"),
    "vgg11": (224, "features.20"),
    "resnet18": (512, "layer4"),
    "squeezenet1_1": (320, "features.12"),
    "densenet121": (352, "features.denseblock2"),
    "googlenet": (448, "inception5b"),
    "inception_v3": (235, "Mixed_5d"),
    "shufflenet_v2_x0_5": (608, "stage4"),
    "mobilenet_v2": (576, "features.18"),
    "mobilenet_v3_small": (65, "features.0"),
    "mnasnet0_5": (352, "layers.10"),
    "efficientnet_v2_s": (224, "features.3"),
    "regnet_x_400mf": (288, "trunk_output.block3"),
    "convnext_tiny": (320, "features.3"),
    "fcn_resnet50": (128, "backbone.layer2"),
    "deeplabv3_resnet50": (320, "backbone.layer3"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "extent", "layer"), [(n, *rest) for n, rest in LARGE.items()])
def test_a_network_of_each_family_at_an_image_larger_than_its_field(name: str, extent: int, layer: str | None) -> None:
    network, size = seeded(lambda: _torchvision(name)), (extent, extent)
    field = theoretical_receptive_field(network, size, layer)
    (step,) = [step for step in trace(network, size, 3).steps if step.name == (layer or "")]
    unit = tuple(n // 2 for n in step.outputs[0][0].shape[2:])
    assert field.clipped == (False, False)
    assert field.box == poisoned_box(values_at(network, layer, (0, slice(None), *unit)), 3, size)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "extent", "layer"), [("swin_t", 280, "features.3"), ("swin_v2_t", 192, "features.1")])
def test_shifted_windows_at_an_image_larger_than_the_field(name: str, extent: int, layer: str) -> None:
    network, size = seeded(lambda: _torchvision(name)), (extent, extent)
    field = theoretical_receptive_field(network, size, layer)
    (step,) = [step for step in trace(network, size, 3).steps if step.name == layer]
    place = (0, *(n // 2 for n in step.outputs[0][0].shape[1:3]), slice(None))
    assert field.clipped == (False, False)
    assert field.box == poisoned_box(values_at(network, layer, place), 3, size)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*models.list_models(module=models), *SEGMENTATION}))
def test_every_torchvision_network_has_an_answer(name: str) -> None:
    size = (299, 299) if name == "inception_v3" else (224, 224)
    field = theoretical_receptive_field(_torchvision(name), size)
    finite = name.startswith("fcn_")
    assert all(math.isfinite(extent) == finite for extent in field.size)


def test_squeeze_and_excitation_spans_the_image_and_keeps_the_grid() -> None:
    field = theoretical_receptive_field(_torchvision("mobilenet_v3_small"), (224, 224), "features.12")
    assert field.size == (math.inf, math.inf)
    assert field.box == ((0, 224), (0, 224))
    assert field.spanned_by == ("features.1.block.1.avgpool",) * 2
    assert (field.jump, field.start, field.clipped) == ((32, 32), (0, 0), (False, False))


def test_one_axis_may_be_spanned_alone() -> None:
    network = Forward(lambda x, conv: conv(x).softmax(3), nn.Conv2d(1, 1, 3))
    field = theoretical_receptive_field(network, (12, 9), channels=1)
    assert field.size == (3, math.inf)
    assert field.box == ((5, 8), (0, 9))
    assert field.spanned_by == (None, "Forward")


def test_batch_statistics_span_the_image_in_train_mode_only() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    assert theoretical_receptive_field(network, (9, 9)).size == (3, 3)
    field = theoretical_receptive_field(network, (9, 9), mode="as_is")
    assert field.size == (math.inf, math.inf)
    assert field.spanned_by == ("1", "1")


def test_units_of_an_upsampled_map_are_not_evenly_spaced() -> None:
    network = nn.Sequential(nn.Conv1d(1, 1, 3, stride=2, padding=1), nn.Upsample(scale_factor=2), nn.Conv1d(1, 1, 3))
    fields = theoretical_receptive_field(network, (32,), unit=[(10,), (11,)])
    assert [field.box for field in fields] == [((9, 14),), ((9, 14),)]
    assert fields[0].jump == fields[0].start == (None,)


def test_results_come_back_by_layer_and_by_unit() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2))
    units = [(0, 0), (2, 1)]
    fields = theoretical_receptive_field(network, (8, 8), ["1", "0"], unit=units)
    assert list(fields) == ["1", "0"]
    for name in ("0", "1"):
        assert fields[name] == [theoretical_receptive_field(network, (8, 8), name, unit) for unit in units]


def test_an_unclipped_part_of_a_flipped_sum_says_that_it_is_clipped() -> None:
    """Beyond the border of an image that is added to its mirror image nothing is defined."""
    network = Forward(lambda x, conv: conv(x + x.flip(2)), nn.Conv1d(1, 1, 3, padding=1))
    assert theoretical_receptive_field(network, (9,), channels=1).clipped == (True,)


@pytest.mark.parametrize("context", [torch.inference_mode, lambda: torch.device("meta"), torch.enable_grad])
def test_the_caller_s_modes_do_not_matter(context: Callable[[], AbstractContextManager]) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(3), nn.Linear(3, 2))
    expected = theoretical_receptive_field(network, (9, 9))
    with context():
        assert theoretical_receptive_field(network, (9, 9)) == expected


def test_every_rule_names_an_operator() -> None:
    names = [name.rpartition("::") for name in registry.RULES]
    missing = [name for library, _, name in names if not hasattr(getattr(torch.ops, library or "aten"), name)]
    assert set(missing) <= {"_fused_rms_norm"}, "but for those that the oldest torch has not"


def test_a_layer_whose_output_is_empty_has_no_units():
    network = nn.Sequential(nn.Conv2d(3, 2, 3), Forward(lambda x: x[:, :, :0]))
    with pytest.raises(
        InvalidInput, match=r"network's output .* no units .*: its output on an image of \[20, 20\] .* empty"
    ):
        theoretical_receptive_field(network, (20, 20))


CONV = nn.Conv2d(3, 3, 3)
BAD = {
    "unknown layer": ({"layer": "layer5"}, r"layer 'layer5' is not in ResNet; nearest names: .*layer4"),
    "unit outside": ({"layer": "layer4", "unit": (2, 0)}, r"unit \(2, 0\) is outside the grid.*\(2, 2\)"),
    "negative unit": ({"layer": "layer4", "unit": (-1, 0)}, r"is outside the grid"),
    "unit of another number of axes": ({"layer": "layer4", "unit": (1,)}, r"unit \(1,\) is outside the grid"),
    "no spatial axes": ({"layer": "fc", "unit": (0, 0)}, r"layer 'fc' has no spatial axes"),
    "wrong number of axes": ({"input_size": (64,)}, r"does not run on an input \[N, 3, 64\]"),
    "too many axes": ({"input_size": (1, 2, 3, 4)}, r"input_size=\(1, 2, 3, 4\): .* one for each of 1, 2 or 3 axes"),
    "empty axis": ({"input_size": (0, 64)}, r"input_size=\(0, 64\): allowed are whole numbers from 1"),
    "runs more than once": ({"layer": "layer1.0.relu"}, r"'layer1.0.relu' runs 2 times"),
    "unknown mode": ({"mode": "train"}, r"mode is 'eval' or 'as_is', not 'train'"),
    "wrong channels": ({"channels": 4}, r"does not run on an input \[N, 4, 64, 64\]"),
}


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD)
def test_bad_arguments_are_one_clear_error(options: dict, message: str) -> None:
    with torch.device("meta"):
        network = models.resnet18()
    with pytest.raises(InvalidInput, match=message):
        theoretical_receptive_field(network, **({"input_size": (64, 64)} | options))


BAD_NETWORKS = {
    "several outputs": (Forward(lambda x, conv: {"a": conv(x), "b": x}, CONV), r"2 outputs"),
    "unused layer": (Forward(lambda x, conv: x, CONV), r"layer 'layers.0' runs 0 times"),
    "unknown channels": (nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), r"pass channels="),
    "lazy": (nn.Sequential(CONV, nn.LazyConv2d(2, 3)), r"lazy modules"),
    "nothing reaches it": (Forward(lambda x, conv: torch.zeros_like(conv(x)), CONV), r"no input pixel reaches"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
@pytest.mark.parametrize(("network", "message"), BAD_NETWORKS.values(), ids=BAD_NETWORKS)
def test_networks_without_an_exact_answer_are_one_clear_error(network: nn.Module, message: str) -> None:
    layer = "layers.0" if "layers.0" in message else None
    with pytest.raises(InvalidInput, match=message):
        theoretical_receptive_field(network, (8, 8), layer)


class Remembers(nn.Module):
    """A module that notes things while it runs, as position caches and counters do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.utils.weight_norm(nn.Conv2d(3, 3, 3))
        self.norm = nn.BatchNorm2d(3)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.cache: Tensor | None = None
        self.shapes: list[torch.Size] = []
        self.by_side: dict[int, list[int]] = {}

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.shapes.append(x.shape)
        self.by_side.setdefault(len(x), []).append(x.ndim)
        self.cache = torch.rand_like(x)
        return F.dropout(self.norm(self.conv(x)), training=self.training) + torch.rand(1).item() * 0


@pytest.mark.filterwarnings("ignore:.*weight_norm.*")
@pytest.mark.parametrize("mode", ["eval", "as_is"])
def test_measuring_leaves_no_trace(mode: str) -> None:
    network = nn.Sequential(Remembers(), nn.Conv2d(3, 3, 3).eval())
    handle = network[0].register_forward_hook(lambda *_: None)
    network(torch.rand(2, 3, 9, 9)).sum().backward()
    before = copy.deepcopy(network.state_dict())
    gradients = [parameter.grad.clone() for parameter in network.parameters()]
    identity = [id(tensor) for tensor in (*network.parameters(), *network.buffers())]
    attributes = {name: list(module.__dict__) for name, module in network.named_modules()}
    cache, weight = network[0].cache, network[0].conv.weight
    network[0].shapes.clear()  # what is empty before is so afterwards
    by_side = copy.copy(network[0].by_side)
    random_states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    theoretical_receptive_field(network, (9, 9), mode=mode)
    assert torch.equal(torch.get_rng_state(), random_states[2])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == random_states[:2]  # noqa: NPY002
    assert all(torch.equal(new, before[name]) for name, new in network.state_dict().items())
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        assert torch.equal(parameter.grad, gradient)
    assert [id(tensor) for tensor in (*network.parameters(), *network.buffers())] == identity
    assert {name: list(module.__dict__) for name, module in network.named_modules()} == attributes
    assert network[0].cache is cache
    assert network[0].shapes == []
    assert network[0].by_side.keys() == by_side.keys()
    assert network[0].conv.weight is weight
    assert [module.training for module in network.modules()] == [True, True, True, True, False]
    assert list(network[0]._forward_hooks) == [handle.id]
    assert not nn.modules.module._global_forward_hooks
    assert torch.backends.mha.get_fastpath_enabled()


def test_a_failed_pass_leaves_no_trace_either() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 3), Forward(lambda x: x.reshape(5, 7, 11))).train()
    with pytest.raises(InvalidInput, match="does not run on an input"):
        theoretical_receptive_field(network, (9, 9))
    assert network.training
    assert not network[0].weight.is_meta
    assert not nn.modules.module._global_forward_hooks
    assert not nn.modules.module._global_forward_pre_hooks


@pytest.mark.parametrize("size", [32, 48, 64])
def test_a_map_of_one_unit_is_not_taken_for_channels(size: int) -> None:
    with torch.device("meta"):
        network = models.convnext_tiny()
    (field,) = theoretical_receptive_field(network, (size, size), ["features.7"]).values()
    assert (field.size, field.jump) == ((1688, 1688), (32, 32))


def test_several_outputs_name_the_arguments_that_choose_one() -> None:
    class Pair(nn.Module):
        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            return images, images

    with pytest.raises(
        InvalidInput, match=r"has 2 outputs: .*layer=\.\.\., or layers=\.\.\. of erf.measure.*call="
    ) as error:
        theoretical_receptive_field(Pair(), 8, channels=1)
    assert "\n" not in str(error.value)
