"""Networks whose families and stages are known, and which others can be measured."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from erf.errors import extra
from experiments.harness.experiment import unknown


class Family(StrEnum):
    """What joins the layers of an architecture."""

    plain = "plain"
    inception = "inception"
    residual = "residual"
    dense = "dense"
    depthwise = "depthwise"
    transformer = "transformer"
    unlisted = "unlisted"  # not in ARCHITECTURES, which lists what is known


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


def family_of(name: str) -> Family:
    """Return the family of a network, which need not be one of those above."""
    return ARCHITECTURES[name].family if name in ARCHITECTURES else Family.unlisted


def stages_of(name: str) -> list[str] | None:
    """Return the layers that end a network's stages; None, for which erf.measure chooses some, of an unlisted one."""
    return [*ARCHITECTURES[name].layers] if name in ARCHITECTURES else None


def require_classifiers(names: list[str]) -> None:
    """Raise InvalidInput unless torchvision has classification models of these names."""
    if unlisted := [name for name in names if name not in ARCHITECTURES]:
        with extra("cli"):
            from torchvision import models  # here: it takes seconds
        allowed = models.list_models(module=models)
        for name in unlisted:
            if name not in allowed:
                raise unknown(f"networks: {name!r}", name, allowed)
