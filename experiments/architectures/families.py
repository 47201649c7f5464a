"""The networks that can be measured, and their stages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """What joins the layers of an architecture."""

    plain = "plain"
    inception = "inception"
    residual = "residual"
    dense = "dense"
    depthwise = "depthwise"
    transformer = "transformer"


@dataclass(frozen=True)
class Architecture:
    """A network of torchvision: its family, and the layers that end its stages."""

    family: Family
    layers: tuple[str, ...]


def _stages(family: Family, pattern: str, *numbers: int) -> Architecture:
    return Architecture(family, tuple(pattern.format(number) for number in numbers))


ARCHITECTURES = {
    "alexnet": _stages(Family.plain, "features.{}", 2, 5, 7, 9, 12),
    "vgg11_bn": _stages(Family.plain, "features.{}", 3, 7, 14, 21, 28),
    "vgg16_bn": _stages(Family.plain, "features.{}", 6, 13, 23, 33, 43),
    "googlenet": Architecture(Family.inception, ("maxpool1", "maxpool2", "inception3b", "inception4e", "inception5b")),
    "resnet18": _stages(Family.residual, "layer{}", 1, 2, 3, 4),
    "resnet34": _stages(Family.residual, "layer{}", 1, 2, 3, 4),
    "resnet50": _stages(Family.residual, "layer{}", 1, 2, 3, 4),
    "resnet101": _stages(Family.residual, "layer{}", 1, 2, 3, 4),
    "regnet_x_400mf": _stages(Family.residual, "trunk_output.block{}", 1, 2, 3, 4),
    "densenet121": _stages(Family.dense, "features.denseblock{}", 1, 2, 3, 4),
    "shufflenet_v2_x1_0": _stages(Family.depthwise, "stage{}", 2, 3, 4),
    "mobilenet_v2": _stages(Family.depthwise, "features.{}", 1, 3, 6, 13, 17),
    "mobilenet_v3_large": _stages(Family.depthwise, "features.{}", 1, 3, 6, 12, 15),
    "efficientnet_b0": _stages(Family.depthwise, "features.{}", 1, 2, 3, 5, 7),
    "convnext_tiny": _stages(Family.depthwise, "features.{}", 1, 3, 5, 7),
    "swin_t": _stages(Family.transformer, "features.{}", 1, 3, 5, 7),
    "vit_b_16": _stages(Family.transformer, "encoder.layers.encoder_layer_{}", 2, 5, 8, 11),
}
DEEPER = ("vgg16_bn", "resnet34", "resnet101")  # than others of their kind
DEFAULT = [name for name in ARCHITECTURES if name not in DEEPER]
