"""The fields of torchvision's networks, against NaN poisoning."""

from __future__ import annotations

import math

import pytest
from torch import nn
from torchvision import models
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from torchvision.models.segmentation.fcn import FCN, FCNHead

from erf.reachability.forward import trace
from erf.reachability.receptive_field import theoretical_receptive_field
from tests.erf.hard_cases import Network
from tests.erf.reachability.bounded_boxes import bounded_box, seeded, within
from tests.oracles.nan_poisoning import poisoned_box, values_at


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
