"""The numbers of other tools, reproduced by their own rules, so that a published figure is compared like with like."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, overload

import numpy as np
from torch import Tensor, nn

from erf.arguments import real_array, require_share, require_whole
from erf.errors import InvalidInput
from erf.maps.layer_outputs import is_forward_features
from erf.maps.mean_scores import mean_scores
from erf.maps.statistic import choice
from erf.reachability.request import Unit, called

__all__ = [
    "AreaRatio",
    "Tool",
    "compatible_map",
    "openerf_map",
    "replknet_area_ratio",
    "replknet_map",
    "replknet_scores",
]

# OpenERF takes a transformer's map for channels-last where no side of its grid is longer and its channels are more.
_LONGEST_GRID_SIDE = 16


class Tool(StrEnum):
    """The tools whose numbers can be reproduced."""

    openerf = "openerf"
    replknet = "replknet"


ToolName = Tool | Literal["openerf", "replknet"]
Names = list[str] | list[str | None]  # None is the network's output


@overload
def compatible_map(
    network: nn.Module, images: Tensor | Iterable[Any], layer: str | None = None, tool: ToolName = "openerf"
) -> np.ndarray: ...
@overload
def compatible_map(
    network: nn.Module, images: Tensor | Iterable[Any], layer: Names, tool: ToolName = "openerf"
) -> dict[str, np.ndarray]: ...
def compatible_map(
    network: nn.Module,
    images: Tensor | Iterable[Any],
    layer: str | Names | None = None,
    tool: ToolName = "openerf",
) -> np.ndarray | dict[str, np.ndarray]:
    """Return the map of the named tool: :func:`openerf_map` or :func:`replknet_map`.

    Raises:
        InvalidInput: No tool is called so; and as those functions.
    """
    maps = {Tool.openerf: openerf_map, Tool.replknet: replknet_map}
    return maps[choice(Tool, tool, "tool")](network, images, layer)


@overload
def openerf_map(network: nn.Module, images: Tensor | Iterable[Any], layer: str | None = None) -> np.ndarray: ...
@overload
def openerf_map(network: nn.Module, images: Tensor | Iterable[Any], layer: Names) -> dict[str, np.ndarray]: ...
def openerf_map(
    network: nn.Module, images: Tensor | Iterable[Any], layer: str | Names | None = None
) -> np.ndarray | dict[str, np.ndarray]:
    r"""Return the map that OpenERF 0.6.1 computes, its ``erf_map`` (https://github.com/kmbmjn/OpenERF).

    .. math:: v_{i,j} = \frac{a_{i,j}}{\sum_{i,j} a_{i,j}}, \quad
              a_{i,j} = \operatorname{mean}_n \max\left(0, \operatorname{mean}_c \operatorname{mean}_k
              \frac{\partial y_{n,k,u}}{\partial x_{n,c,i,j}}\right)

    Unlike :func:`erf.effective_receptive_field`: output channels are averaged with their signs, so they may cancel (of
    a normalized layer they do, to rounding noise); the signed gradient is averaged over input channels first and cut
    off at 0 after, so negative influence is lost; the map has no units, it sums to 1 (or is 0 everywhere); and an image
    without influence counts as one.

    The unit u is (H'//2, W'//2) of ``[N, K, H', W']``, whatever the layer: a channels-last layer is misread there as it
    is by OpenERF. Of tokens ``[N, T, K]``, and of ``forward_features`` of a network with a ``patch_embed``, it is the
    token ((s-1)//2, (s-1)//2) of the square grid of side s that is left without prefix tokens, up and left of the
    middle where s is even.

    Where OpenERF itself errs, the numbers are those of the layer that is named: it keeps no copy of a layer's output,
    so a later in-place operation replaces what it measures (its ``layer4.2.bn3`` of a ResNet is ``layer4.2``, after sum
    and ReLU), and of a module that runs more than once it takes the last run, which is an error here. It adds up images
    in float32, here in float64.

    Args:
        network: Maps images ``[N, C, H, W]`` to anything. Measured in eval mode; left as it was found.
        images: ``[N, C, H, W]``, or an iterable of such batches. OpenERF reads a folder through
            timm's evaluation transform.
        layer: A module's name, "forward_features" for that method's result (OpenERF's own default), a list of them, or
            None for the network's output.

    Returns:
        ``[H, W]`` float64; a dict of them by name for a list of layers.

    Raises:
        InvalidInput: A layer is unknown, does not run once or has no one unit in the middle, the images do not fit the
            network, or a gradient is not finite.
    """
    means = mean_scores(network, images, layer, _openerf_center, lambda gradients: gradients.mean(1).clamp(min=0))
    return _by_layer({name: mean / (mean.sum() or 1) for name, mean in means.items()}, layer)


@overload
def replknet_map(network: nn.Module, images: Tensor | Iterable[Any], layer: str | None = None) -> np.ndarray: ...
@overload
def replknet_map(network: nn.Module, images: Tensor | Iterable[Any], layer: Names) -> dict[str, np.ndarray]: ...
def replknet_map(
    network: nn.Module, images: Tensor | Iterable[Any], layer: str | Names | None = None
) -> np.ndarray | dict[str, np.ndarray]:
    r"""Return the contribution scores of RepLKNet's script (Ding et al. 2022, arXiv 2203.06717, ``visualize_erf.py``).

    .. math:: a_{i,j} = \operatorname{mean}_n \sum_c \max\left(0, \frac{\partial}{\partial x_{n,c,i,j}}
              \sum_k \max(0, y_{n,k,u})\right)

    with u = (H'//2, W'//2). They are raw, before the logarithm of :func:`replknet_scores`. The paper took 50 images of
    ImageNet, resized to 1024 x 1024 without crop and normalized by ImageNet's mean and deviation, and the output of
    the last stage.

    Unlike :func:`erf.effective_receptive_field`: only output channels that are above 0 count, with their signs, so they
    may cancel; negative gradients are lost, in each input channel for itself; input channels are summed, so the values
    are C times a mean; and an image without influence counts as one. The values have the units of the gradient,
    features per normalized pixel value.

    Features are read as ``[N, K, H', W']``, channels first. The script leaves out images whose scores have a NaN; here
    they are an error that says which. It works in float32, here images are added up in float64.

    Args:
        network: Maps images ``[N, C, H, W]`` to anything. Measured in eval mode; left as it was found.
        images: ``[N, C, H, W]``, or an iterable of such batches.
        layer: A module's name, "forward_features" for that method's result, a list of them, or None for the network's
            output.

    Returns:
        ``[H, W]`` float64; a dict of them by name for a list of layers.

    Raises:
        InvalidInput: A layer is unknown, does not run once or is not ``[N, K, H', W']``, the images do not fit the
            network, or a gradient is not finite.
    """
    means = mean_scores(network, images, layer, _replknet_center, lambda gradients: gradients.clamp(min=0).sum(1))
    return _by_layer(means, layer)


def replknet_scores(contributions: np.ndarray) -> np.ndarray:
    r"""Return what RepLKNet draws and measures areas on: :math:`\log_{10}(a + 1)`, divided by its maximum.

    The logarithm makes the result depend on the units of a: for small ones it is proportional to a, for large ones
    much flatter. It is taken in the array's own precision: the script's is float32, where values below 6e-8 become 0.

    Args:
        contributions: ``[H, W]``, as :func:`replknet_map` returns them, or as the script saved them.

    Raises:
        InvalidInput: They are not ``[H, W]``, finite and >= 0, or their logarithm is 0 everywhere.
    """
    contributions = real_array(contributions, "contributions")
    if contributions.ndim != 2 or (contributions < 0).any():
        raise InvalidInput("contributions must be [H, W], finite and without negative values")
    logarithm = np.log10(contributions + 1)
    if not logarithm.any():
        raise InvalidInput(f"log10(x + 1) of the contributions is 0 everywhere in {logarithm.dtype}: they have no area")
    return logarithm / logarithm.max()


@dataclass(frozen=True)
class AreaRatio:
    """A square of ``side`` pixels, and its share of the image's area."""

    side: int
    area_ratio: float

    def __post_init__(self) -> None:
        require_whole(side=self.side)
        require_share(area_ratio=self.area_ratio)


def replknet_area_ratio(contributions: np.ndarray, mass: float) -> AreaRatio | None:
    r"""Return RepLKNet's r(t), the area of a square that holds the share t of the scores (its ``analyze_erf.py``).

    .. math:: r = \frac{(2m+1)^2}{H W}, \quad m = \min \{m \geq 1 :
              \text{the scores within m of pixel } (H//2, W//2) \text{ sum to more than } t \text{ of the total}\}

    The paper's t are 0.2, 0.3, 0.5 and 0.99. Unlike :func:`erf.contribution_area_ratio`, the square grows about the
    image's middle instead of the unit's center, has a side of 3 at least, and never becomes the image: m stays below
    H//2, so the largest side is H - 1 (even H) or H - 2 (odd H).

    Args:
        contributions: ``[H, W]``, as :func:`replknet_map` returns them; the logarithm is taken here.
        mass: The share t, in (0, 1].

    Returns:
        None where none of these squares holds more than ``mass``. In an image higher than wide, none is looked at after
        the first that leaves it; the script goes on there with indices that wrap around.

    Raises:
        InvalidInput: ``mass`` is out of range; and as :func:`replknet_scores`.
    """
    require_share(mass=mass)
    scores = replknet_scores(contributions)
    total = scores.sum()
    height, width = scores.shape
    for m in range(1, min(height // 2, width // 2 + 1)):
        square = scores[height // 2 - m : height // 2 + m + 1, width // 2 - m : width // 2 + m + 1]
        if square.sum() / total > mass:
            side = 2 * m + 1
            return AreaRatio(side, side**2 / scores.size)
    return None


def _by_layer(maps: dict[str | None, np.ndarray], layer: str | Names | None) -> Any:
    return maps if isinstance(layer, list) else maps[layer]


def _replknet_center(features: Tensor, name: str | None, network: nn.Module, unit: Unit | None) -> Tensor:
    if features.ndim != 4:
        raise InvalidInput(f"{called(name)} has shape {list(features.shape)}, not [N, channels, rows, columns]")
    if features.is_complex():
        raise InvalidInput(f"{called(name)} is complex: no channel of it is above 0")
    return features[(..., *(unit or _middle(features)))].relu().sum(1)


def _middle(features: Tensor) -> Unit:
    return features.shape[2] // 2, features.shape[3] // 2


def _openerf_center(features: Tensor, name: str | None, network: nn.Module, unit: Unit | None) -> Tensor:
    if features.ndim == 4 and is_forward_features(network, name) and hasattr(network, "patch_embed"):
        tokens = (features if _is_channels_last(features, network) else features.movedim(1, 3)).flatten(1, 2)
        return tokens[:, _middle_token(tokens.shape[1], name)].mean(1)
    if features.ndim == 4:
        return features[(..., *(unit or _middle(features)))].mean(1)
    if features.ndim == 3:
        prefix = _prefix_tokens(network)
        return features[:, prefix + _middle_token(features.shape[1] - prefix, name)].mean(1)
    raise InvalidInput(
        f"{called(name)} has shape {list(features.shape)}: OpenERF reads [N, channels, rows, columns] or "
        "[N, tokens, channels]"
    )


def _is_channels_last(features: Tensor, network: nn.Module) -> bool:
    """Return what OpenERF takes the layout of a transformer's map for."""
    rows, columns, channels = features.shape[1:]
    guessed = max(rows, columns) <= _LONGEST_GRID_SIDE < channels
    return getattr(network, "output_fmt", None) == "NHWC" or guessed


def _prefix_tokens(network: nn.Module) -> int:
    """Return how many tokens OpenERF takes to stand before those of the grid."""
    stated = getattr(network, "num_prefix_tokens", None)
    if stated is not None:
        return int(stated)
    named = [getattr(network, token, None) for token in ("cls_token", "dist_token")]
    return sum(token is not None for token in named) + int(getattr(network, "num_reg_tokens", None) or 0)


def _middle_token(tokens: int, name: str | None) -> int:
    side = math.isqrt(max(tokens, 0))
    if side**2 != tokens or not side:
        raise InvalidInput(f"{called(name)} has {tokens} tokens after its prefix; OpenERF needs a square grid")
    return (side + 1) * ((side - 1) // 2)
