"""The numbers of other tools, reproduced by their own rules, so that a published figure is compared like with like."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from erf.arguments import real_array, require_share, require_type, require_whole
from erf.errors import InvalidInput
from erf.maps.cropping import Crop, crops
from erf.maps.field_check import check_field, rounding_of
from erf.maps.folding import folded, folds
from erf.maps.layer_outputs import check_layer, is_forward_features, layer_outputs
from erf.maps.passes import Mode, batches, forward_passes, gradient, measuring
from erf.maps.statistic import choice
from erf.reachability.record import Trace
from erf.reachability.request import Unit, called, listed

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
BATCH = 8  # images whose crops are run at once


class Tool(StrEnum):
    """The tools whose numbers can be reproduced."""

    openerf = "openerf"
    replknet = "replknet"


def compatible_map(
    network: nn.Module, images: Tensor | Iterable[Tensor], layer: str | list[str] | None = None, tool: str = "openerf"
) -> Any:
    """Return the map of the named tool: :func:`openerf_map` or :func:`replknet_map`.

    Raises:
        InvalidInput: No tool is called so; and as those functions.
    """
    maps = {Tool.openerf: openerf_map, Tool.replknet: replknet_map}
    return maps[choice(Tool, tool, "tool")](network, images, layer)


def openerf_map(network: nn.Module, images: Tensor | Iterable[Tensor], layer: str | list[str] | None = None) -> Any:
    r"""Return the map that OpenERF 0.6.1 computes, its ``erf_map`` (https://github.com/kmbmjn/OpenERF).

    .. math:: v_{i,j} = \frac{a_{i,j}}{\sum_{i,j} a_{i,j}}, \quad
              a_{i,j} = \operatorname{mean}_n \max\Big(0, \operatorname{mean}_c \operatorname{mean}_k
              \frac{\partial y_{n,k,u}}{\partial x_{n,c,i,j}}\Big)

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
    means = _mean_scores(network, images, layer, _openerf_center, lambda gradients: gradients.mean(1).clamp(min=0))
    return _by_layer({name: mean / (mean.sum() or 1) for name, mean in means.items()}, layer)


def replknet_map(network: nn.Module, images: Tensor | Iterable[Tensor], layer: str | list[str] | None = None) -> Any:
    r"""Return the contribution scores of RepLKNet's script (Ding et al. 2022, arXiv 2203.06717, ``visualize_erf.py``).

    .. math:: a_{i,j} = \operatorname{mean}_n \sum_c \max\Big(0, \frac{\partial}{\partial x_{n,c,i,j}}
              \sum_k \max(0, y_{n,k,u})\Big)

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
    means = _mean_scores(network, images, layer, _replknet_center, lambda gradients: gradients.clamp(min=0).sum(1))
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

    .. math:: r = \frac{(2m+1)^2}{H W}, \quad m = \min \{m \ge 1 :
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


# A layer's output, its name, the network, and the unit (None: that in the tool's middle) give each image's number whose
# gradient is taken, ``[N]``.
_Center = Callable[[Tensor, str | None, nn.Module, Unit | None], Tensor]


def _mean_scores(
    network: nn.Module, images: Any, layer: Any, center: _Center, score: Callable[[Tensor], Tensor]
) -> dict[str | None, np.ndarray]:
    """Return by layer the mean over images of ``score [N, H, W]`` of their gradients ``[N, C, H, W]`` in float64."""
    names = _checked_names(network, layer)
    sums: dict[str | None, Tensor] = {}
    found: list[Crop] = []
    count, channels, rounding = 0, 0, 0.0
    with measuring(network, Mode.eval), ExitStack() as folding:
        for first, batch in batches(network, images, BATCH, first=0, joined=True):
            _check_two_axes(batch)
            if not count:
                passed, found = _crops(network, batch, names)
                folding.enter_context(folded(folds(network, passed, names) if passed else []))
                sums = {name: batch.new_zeros(batch.shape[2:], dtype=torch.float64) for name in names}
            for name, part, index, gradients in _gradients(network, batch, names, center, found, whole=not count):
                _require_finite(gradients, first + index)
                sums[name][part] += score(gradients.double()).sum(0)
                rounding = rounding_of(gradients)
            count, channels = count + len(batch), batch.shape[1]
        for probe in (probe for crop in found for probe in crop.probes.values()):
            check_field(network, probe.field, sums[probe.layer].cpu().numpy(), channels, rounding)
    if not count:
        raise InvalidInput("there is no image to measure on")
    return {name: (total / count).cpu().numpy() for name, total in sums.items()}


def _require_finite(gradients: Tensor, first: int) -> None:
    for bad in (~gradients.isfinite()).flatten(1).any(1).nonzero()[:1]:
        raise InvalidInput(f"the gradient of image {first + int(bad)} is not finite: leave it out, or use float64")


def _crops(network: nn.Module, images: Tensor, names: list[str | None]) -> tuple[Trace | None, list[Crop]]:
    """Return a pass without data, and the crops with the tools' middle units; no crops where none will do.

    The tools read layers in layouts of their own, and measure networks whose TRF is not known.
    """
    try:
        passed, found = crops(network, images.shape[2:], images.shape[1], names, [None])
    except InvalidInput:
        return None, []
    indices = [probe.index for crop in found for probe in crop.probes.values()]
    literal = all(index[:2] == (slice(None),) * 2 and len(index) == 4 for index in indices)
    return passed, found if literal and not passed.on_images else []


def _checked_names(network: nn.Module, layer: Any) -> list[str | None]:
    require_type(nn.Module, network=network)
    names = listed(layer, "layer")
    for name in names:
        check_layer(network, name)
    return list(dict.fromkeys(names))


def _by_layer(maps: dict[str | None, np.ndarray], layer: Any) -> Any:
    return maps if isinstance(layer, list) else maps[layer]


def _check_two_axes(images: Tensor) -> None:
    if images.ndim != 4:
        raise InvalidInput(f"these tools measure images [N, C, H, W], not {list(images.shape)}")


def _gradients(
    network: nn.Module, images: Tensor, names: list[str | None], center: _Center, found: list[Crop], whole: bool
) -> Iterator[tuple[str | None, tuple[slice, ...], int, Tensor]]:
    """Yield each layer, a part of the images, an image's index and from it on the center's gradients on that part.

    They are 0 everywhere else. Without crops images are run one at a time, as the tools do.
    """
    for crop, leaf, outputs in forward_passes(network, images, found):
        for probe in crop.probes.values():
            unit: Any = probe.index[2:]
            value = center(outputs[probe.layer], probe.layer, network, unit)
            yield probe.layer, crop.slices, 0, gradient(value, leaf, layer=probe.layer)
    for index, image in enumerate([] if found else images.split(1)):
        leaf = image.clone().requires_grad_()
        outputs = layer_outputs(network, leaf, names, whole and not index)
        for name in names:
            yield name, (), index, gradient(center(outputs[name], name, network, None), leaf, layer=name)


def _replknet_center(features: Tensor, name: str | None, network: nn.Module, unit: Unit | None) -> Tensor:
    if features.ndim != 4:
        raise InvalidInput(f"{called(name)} has shape {list(features.shape)}, not [N, channels, rows, columns]")
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
