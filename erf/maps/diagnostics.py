"""What the reader of a map must know about the network that it was measured on."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from erf.reachability.receptive_field import ReceptiveField

# Factors of residual branches start at 1e-4 to 1e-6 where they are not 0 ("LayerScale", Touvron et al. 2021, CaiT).
NEARLY_ZERO = 1e-4

CANCELLING = (
    "the output channels cancel in their sum, as after a LayerNorm: what is left is rounding noise; "
    "with random_sign nothing cancels"
)

_MIXING = "the images of a batch mix in this network: each was measured alone, as in a batch of its own"

_ONE_SIDED = (
    "along axis {axis} the field is one-sided: the unit stands at its {side} pixel, and sizes and radii are about there"
)

_WEIGHTED = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.modules.conv._ConvNd, nn.Linear)


def findings(
    network: nn.Module, field: ReceptiveField, cancelling: bool = False, mixing: bool = False
) -> tuple[str, ...]:
    """Return a sentence for each thing about the unit of ``field`` that its map alone does not show.

    Args:
        network: That was measured.
        field: Of the unit.
        cancelling: Whether its channels cancel in their sum.
        mixing: Whether an image has influence on the units of another in its batch.
    """
    weights = _weights_of_branches(network, field.modules)
    largest = {name: _largest(weight.detach()) for name, weight in weights if weight.numel()}
    zero = [name for name, value in largest.items() if value == 0]
    small = [name for name, value in largest.items() if 0 < value <= NEARLY_ZERO]
    sentences = _spanning(field)
    sentences += [_ONE_SIDED.format(axis=axis, side=side) for axis, side in enumerate(field.one_sided) if side]
    if zero:
        sentences.append(f"zero weights: {_some(zero)} all 0, so what they scale adds nothing to this map")
    if small:
        names = f"{_some(small)} at most {NEARLY_ZERO:g}"
        sentences.append(f"weights near zero: {names}, so what they scale adds little to this map")
    if cancelling:
        sentences.append(CANCELLING)
    if mixing:
        sentences.append(_MIXING)
    return tuple(sentences)


def _spanning(field: ReceptiveField) -> list[str]:
    """Return a sentence for each module that spans the image."""
    sentences = []
    for name in dict.fromkeys(field.spanned_by):
        axes = [str(axis) for axis, module in enumerate(field.spanned_by) if module == name]
        along = f"axis {axes[0]}" if len(axes) == 1 else f"axes {' and '.join(axes)}"
        if name is not None:
            sentences.append(
                f"module {name!r} spans the image along {along}: the TRF is infinite, the ERF may be small"
            )
    return sentences


def _weights_of_branches(network: nn.Module, modules: tuple[str, ...]) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield what scales a branch's output: the weights of its layers, and the factors that blocks hold themselves."""
    by_name = dict(network.named_modules(remove_duplicate=False))
    for name in modules:
        module = by_name[name]
        for key, parameter in module.named_parameters(name, recurse=False):
            word = key.rpartition(".")[2]
            if (word == "weight" and isinstance(module, _WEIGHTED)) or "scale" in word or "gamma" in word:
                yield key, parameter


def _largest(weight: torch.Tensor) -> float:
    """Return the largest magnitude, or just that of the first value if it is not near zero already."""
    first = abs(weight[(0,) * weight.ndim].item())
    return first if first > NEARLY_ZERO else float(weight.abs().max())


def _some(names: list[str]) -> str:
    """Name the first."""
    verb = "is" if len(names) == 1 else "are"
    return f"{', '.join(names[:2])}{f' and {len(names) - 2} more' if len(names) > 2 else ''} {verb}"
