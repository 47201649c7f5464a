"""The networks that are drawn, as they are and without nonlinearities."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from erf.networks.camvid_frontend import CamvidFrontend
from erf.networks.conv_stack import Activation
from erf.networks.residual_stack import Order, ResidualStack
from experiments.expected_maps.toys import UNet, Upsampling, WaveNet

Transposed = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
Weighted = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear | Transposed


@dataclass(frozen=True)
class Architecture:
    """A network: what makes it, the layers that are measured, and the sides of its images in pixels.

    ``linear_sides`` are those for the network without nonlinearities.
    """

    make: Callable[[], nn.Module]
    layers: tuple[str, ...]
    sides: tuple[int, ...]
    linear_sides: tuple[int, ...]
    channels: int = 3
    is_small: bool = False


class _Output(nn.Module):
    """Takes the one tensor that torchvision's segmentation networks return in a dict."""

    def forward(self, outputs: dict[str, Tensor]) -> Tensor:
        return outputs["out"]


def _vgg_features() -> nn.Module:
    """Return VGG-16 without its classifier, whose many weights no layer below it needs."""
    from torchvision import models  # here: it takes seconds

    return models.vgg16(init_weights=False).features


def _model(name: str) -> nn.Module:
    from torchvision import models

    return models.get_model(name)


def _fcn() -> nn.Module:
    from torchvision import models

    network = models.segmentation.fcn_resnet50(weights=None, weights_backbone=None, aux_loss=False)
    return nn.Sequential(network, _Output())


def _preactivation(width: int) -> nn.Module:
    stack = ResidualStack(
        4, channels=width, input_channels=3, order=Order.pre_activation, activation=Activation.relu, batch_norm=True
    )
    return stack.network(torch.Generator())


def _of_torchvision(name: str, *layers: str, side: int = 128) -> Architecture:
    return Architecture(partial(_model, name), layers, (side, side), (64, 64))


def _of_widths(
    name: str, make: Callable[[int], nn.Module], widths: Sequence[int], layers: tuple[str, ...],
    sides: tuple[int, ...], linear_sides: tuple[int, ...], channels: int = 3,
) -> dict[str, Architecture]:  # fmt: skip
    """Return an architecture of our own for each width, by its name."""
    return {
        f"{name}_{width}": Architecture(partial(make, width), layers, sides, linear_sides, channels, is_small=True)
        for width in widths
    }


UNET = (("down.3", "up.2"), (64, 64), (32, 32))

ARCHITECTURES: dict[str, Architecture] = {
    "vgg16": Architecture(_vgg_features, ("9", "16", "23"), (96, 96), (64, 64)),
    "resnet18": _of_torchvision("resnet18", "layer1", "layer2", "layer3"),
    "resnet50": _of_torchvision("resnet50", "layer1", "layer2", "layer3"),
    "densenet121": _of_torchvision("densenet121", "features.denseblock1", "features.denseblock2", side=96),
    "mobilenet_v2": _of_torchvision("mobilenet_v2", "features.3", "features.6", "features.10"),
    "fcn_resnet50": Architecture(_fcn, ("0.backbone.layer2", "0.backbone.layer3", "1"), (96, 96), (48, 48)),
    "camvid_frontend": Architecture(CamvidFrontend, ("stage1", "stage2", "stage3"), (128, 128), (64, 64)),
    **_of_widths("preactivation", _preactivation, (16, 64), ("3", "9"), (48, 48), (32, 32)),
    **_of_widths("unet_transposed", UNet, (16, 64), *UNET),
    **_of_widths("unet_bilinear", partial(UNet, upsampling=Upsampling.bilinear), (16, 64), *UNET),
    **_of_widths("unet_3d", partial(UNet, levels=3, axes=3), (8, 32), ("down.2", "up.1"), (16, 24, 24), (8, 16, 16)),
    **_of_widths("wavenet", WaveNet, (16, 64), ("dilated.3", "last"), (256,), (256,), channels=1),
}


def draw_weights_(network: nn.Module, gain: float, generator: torch.Generator) -> None:
    """Draw all weights anew, normal with variance ``gain`` over the number of inputs; biases become 0."""
    for module in _weighted(network):
        weight = torch.empty(module.weight.shape).normal_(0, _std(module, gain), generator=generator)
        module.weight.data.copy_(weight)
        if module.bias is not None:
            module.bias.data.zero_()


def set_weights_(network: nn.Module, gain: float) -> None:
    """Set all weights to the standard deviation that they are drawn with, so that theory has their exact variance."""
    for module in _weighted(network):
        module.weight.data.fill_(_std(module, gain))


def _weighted(network: nn.Module) -> Iterator[Weighted]:
    return (module for module in network.modules() if isinstance(module, Weighted))


def _std(module: Weighted, gain: float) -> float:
    return math.sqrt(gain / _inputs(module))


def _inputs(module: Weighted) -> float:
    """Return how many values meet in one output; in the mean over positions, where the convolution is transposed."""
    if isinstance(module, Transposed):
        return module.in_channels // module.groups * math.prod(module.kernel_size) / math.prod(module.stride)
    return module.weight[0].numel()


def run_linear(network: nn.Module, images: Tensor) -> Any:
    """Run a network without its nonlinearities: no ReLU, and average pools in the place of max pools."""
    with _Linear():
        return network(images)


class _Window(NamedTuple):
    """The arguments of a pool that matter."""

    kernel_size: Any
    stride: Any = None
    padding: Any = 0

    @classmethod
    def of(cls, *given: Any, **named: Any) -> _Window:
        return cls(*given[:3], **{name: value for name, value in named.items() if name in cls._fields})


_AVERAGE = {F.max_pool2d: F.avg_pool2d, F.max_pool3d: F.avg_pool3d}
_NONLINEARITIES = {F.relu, F.relu6, F.hardtanh, torch.relu}


class _Linear(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _NONLINEARITIES:
            return args[0]
        if func in _AVERAGE:
            return _AVERAGE[func](args[0], *_Window.of(*args[1:], **kwargs or {}))
        return func(*args, **kwargs or {})
