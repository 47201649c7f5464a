"""The outputs of named layers in one forward pass of a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only
from torch.utils.hooks import RemovableHandle

from erf.errors import InvalidInput, one_line
from erf.reachability.operands import tensors_in
from erf.reachability.request import called, layer_name, module_of

# The method of timm's networks that stops before the classifier, whose result can be asked for like a layer's.
FORWARD_FEATURES = "forward_features"


class _AllReached(Exception):
    """Every layer that was asked for has run: the rest of the pass is not needed."""


def check_layer(network: nn.Module, name: str | None) -> None:
    """Raise InvalidInput unless ``name`` is a module's, None (the network) or "forward_features" where there is one."""
    if not is_forward_features(network, name):
        layer_name(network, name)


def is_forward_features(network: nn.Module, name: str | None) -> bool:
    """Return whether ``name`` means the method of that name."""
    return name == FORWARD_FEATURES and callable(getattr(network, FORWARD_FEATURES, None))


def layer_outputs(
    network: nn.Module, images: Tensor, names: Sequence[str | None], whole: bool = True
) -> dict[str | None, Tensor]:
    """Return the layers' outputs by name, as they were before any later in-place operation.

    Args:
        network: The network; it gets a copy of the images, which it may change in place.
        images: ``[N, C, H, W]``.
        names: Layers, different ones; None is the network, "forward_features" the method of that name.
        whole: Run the network to its end, which shows whether a layer runs again; False stops when all have run.

    Raises:
        InvalidInput: The network does not run on the images, or a layer does not run once or has several outputs.
    """
    of_modules = [name for name in names if not is_forward_features(network, name)]
    outputs = _outputs_of_modules(network, images, of_modules, whole) if of_modules else {}
    for name in names:
        if name not in of_modules:
            method: Any = network.forward_features
            outputs[name] = _only_tensor(run(method, images), name)
    return outputs


def _outputs_of_modules(
    network: nn.Module, images: Tensor, names: Sequence[str | None], whole: bool
) -> dict[str | None, Tensor]:
    outputs: dict[str | None, Tensor] = {}
    inside, itself = [name for name in names if name], [name for name in names if not name]

    def keep(name: str | None, module: nn.Module, inputs: object, output: Any) -> Any:
        if name in outputs:
            raise InvalidInput(f"{called(name)} is called more than once: name a layer that runs once")
        outputs[name] = _only_tensor(output, name)
        if len(outputs) == len(names) and not whole:  # the network itself is not among them
            raise _AllReached
        return tree_map_only(Tensor, Tensor.clone, output)  # what goes on is a copy, which may be changed in place

    with ExitStack() as hooks:
        for name in inside:
            hooks.callback(_hook(module_of(network, name), name, partial(keep, name)).remove)
        output = run(network, images)
    outputs |= {name: _only_tensor(output, name) for name in itself}
    for name in inside:
        if name not in outputs:
            raise InvalidInput(f"{called(name)} does not run when the network does: name another")
    return outputs


def _hook(module: nn.Module, name: str, hook: Callable[..., Any]) -> RemovableHandle:
    if isinstance(module, torch.jit.ScriptModule):
        raise InvalidInput(f"{called(name)} is scripted or traced, which shows no outputs: give what it was made from")
    return module.register_forward_hook(hook)


def _only_tensor(output: Any, name: str | None) -> Tensor:
    tensors = tensors_in(output)
    if len(tensors) != 1:
        raise InvalidInput(f"{called(name)} has {len(tensors)} outputs: name a layer that has one")
    return tensors[0]


def run(forward: Callable[[Tensor], Any], images: Tensor) -> Any:
    """Return what ``forward`` makes of a copy of the images.

    Raises:
        InvalidInput: It does not run on them.
    """
    try:
        return forward(images.clone())
    except _AllReached:
        return None
    except InvalidInput:
        raise
    except (RuntimeError, ValueError, AssertionError, LookupError, TypeError) as error:
        raise InvalidInput(f"the network does not run on images {list(images.shape)}: {one_line(error)}") from error
