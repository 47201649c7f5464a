"""The signed influence of every input pixel on a unit (section 2)."""

from __future__ import annotations

from typing import overload

from torch import Tensor, nn

from erf.arguments import is_finite, require_dense, require_images, require_values, shown
from erf.errors import InvalidInput
from erf.maps.layer_outputs import layer_outputs
from erf.maps.passes import Mode, at_unit, gradient, measuring
from erf.maps.statistic import choice
from erf.reachability.as_written import run_by
from erf.reachability.forward import as_taken
from erf.reachability.mixing import mixes_images
from erf.reachability.receptive_field import traced_fields
from erf.reachability.request import Answer, Index, Layers, ModeName, NamedLayer, Runner, Unit, Units, request


@overload
def influence(
    network: nn.Module, images: Tensor, unit: Unit | None = None, direction: Tensor | None = None,
    layer: NamedLayer | None = None, *, mode: ModeName = "eval", call: Runner | None = None,
) -> Tensor: ...  # fmt: skip
@overload
def influence(
    network: nn.Module, images: Tensor, unit: Units, direction: Tensor | None = None,
    layer: NamedLayer | None = None, *, mode: ModeName = "eval", call: Runner | None = None,
) -> list[Tensor]: ...  # fmt: skip
@overload
def influence(
    network: nn.Module, images: Tensor, unit: Unit | None = None, direction: Tensor | None = None,
    *, layer: Layers, mode: ModeName = "eval", call: Runner | None = None,
) -> dict[str, Tensor]: ...  # fmt: skip
@overload
def influence(
    network: nn.Module, images: Tensor, unit: Units, direction: Tensor | None = None,
    *, layer: Layers, mode: ModeName = "eval", call: Runner | None = None,
) -> dict[str, list[Tensor]]: ...  # fmt: skip
def influence(
    network: nn.Module,
    images: Tensor,
    unit: Unit | Units | None = None,
    direction: Tensor | None = None,
    layer: NamedLayer | Layers | None = None,
    *,
    mode: ModeName = "eval",
    call: Runner | None = None,
) -> Answer[Tensor]:
    r"""Return the signed influence of every input pixel on one output unit (section 2 of the paper).

    .. math:: g_{n,c,i,j} = \partial \sum_k d_k y_{n,k,u} / \partial x_{n,c,i,j}

    Args:
        network: Maps ``images [N, C, H, W]`` to features; left as it was found.
        images: Where the gradient is taken. Not modified.
        unit: Row and column ``u`` of the layer's grid, a list of them (the result is a list), or None for (H'//2,
            W'//2).
        direction: Weights ``d`` of the unit's channels, ``[K]``, or ``[N, K]`` for one set an image; None is all ones.
        layer: A module or its name, a list of these (the result is a dict by name), or None for the network's output.
        mode: "eval" measures in eval mode; "as_is" in the modes that the network is in.
        call: As for :func:`erf.theoretical_receptive_field`.

    Returns:
        ``[N, C, H, W]``, signed, in the network's precision.

    Raises:
        InvalidInput: The unit is outside the output's grid, the images or the direction have another shape or kind,
            images or weights are not finite, the network does not run on the images, it mixes several of them in eval
            mode, or nothing that autograd knows of leads to them, as under ``torch.no_grad``.

    >>> import erf
    >>> import torch
    >>> network, images = torch.nn.Conv2d(1, 2, 3), torch.ones(1, 1, 5, 5)
    >>> g = erf.influence(network, images, unit=(0, 1))
    >>> tuple(g.shape), int(g.count_nonzero())
    ((1, 1, 5, 5), 9)
    """
    require_images(images)
    if not len(images):
        raise InvalidInput("images: there are none")
    asked = request(network, layer, unit)
    with measuring(network, choice(Mode, mode, "mode")):
        looked_at, taken = run_by(network, call), images.detach() if images.is_meta else as_taken(network, images)
        size, pair = tuple(images.shape[2:]), None if images.is_meta else taken[[0, -1]]
        _, fields = traced_fields(looked_at, size, asked.layers, asked.units, images.shape[1], pair)
        if len(images) > 1 and mode == Mode.eval and mixes_images(looked_at, taken, asked.layers):
            raise InvalidInput("the images of a batch mix in this network: measure them one at a time")
        leaf = taken.clone().requires_grad_()
        outputs = layer_outputs(looked_at, leaf, asked.layers, whole=False)
        influences = [
            [_influence_at(outputs[name], field.index, leaf, direction, name) for field in each]
            for name, each in zip(asked.layers, fields, strict=True)
        ]
    return asked.answer(influences)


def influence_at(network: nn.Module, images: Tensor, index: Index, direction: Tensor | None = None) -> Tensor:
    """Return what :func:`influence` does in the network's own modes, of the unit of that index in its output."""
    require_images(images)
    with measuring(network, Mode.as_is):
        leaf = images.detach().clone().requires_grad_()
        outputs = layer_outputs(network, leaf, [None], whole=False)
        return _influence_at(outputs[None], index, leaf, direction, None)


def _influence_at(outputs: Tensor, index: Index, leaf: Tensor, direction: Tensor | None, layer: str | None) -> Tensor:
    channels = at_unit(outputs, index, layer, len(leaf))
    if direction is not None:
        _check_direction(direction, channels)
    return gradient(channels, leaf, direction, layer)


def _check_direction(direction: Tensor, channels: Tensor) -> None:
    require_dense(direction=direction)
    if not channels.is_meta:
        require_values(direction=direction)
    shapes = [list(channels.shape[1:]), list(channels.shape)]
    if list(direction.shape) not in shapes or direction.is_complex() or not is_finite(direction):
        raise InvalidInput(f"direction={shown(direction)}: allowed are finite real numbers {shapes[0]} or {shapes[1]}")
