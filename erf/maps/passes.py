"""How a network is run to be measured: the images, its state meanwhile, one forward pass a crop, and gradients."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from erf.arguments import require_images, require_values, require_whole, through
from erf.arguments.device import full_float32
from erf.errors import InvalidInput, is_out_of_memory, one_line
from erf.maps.backward_cone import gradient_in_cone
from erf.maps.cropping import Crop
from erf.maps.layer_outputs import layer_outputs
from erf.maps.precision import Precision
from erf.maps.weights import require_weights_once, taken_by
from erf.reachability.as_written import as_written, modes_of, put_into_eval_mode, tensors_of
from erf.reachability.request import Index, Mode, called

FASTER_WITH_CHANNELS_LAST = (torch.float32, torch.bfloat16)


@contextmanager
def measuring(network: nn.Module, mode: Mode) -> Iterator[None]:
    """Put the network into the mode to measure in; restore all that measuring may change.

    Raises:
        InvalidInput: It is no module, or its weights are not finite or not there yet, as of lazy modules.
    """
    require_weights_once(network)
    gpus = {tensor.device for tensor in tensors_of(network) if tensor.device.type == "cuda"}
    with torch.inference_mode(False), _without_inference_tensors(network), _restored(network), as_written(network):
        if mode is Mode.eval and any(getattr(module, "training", True) for module in network.modules()):
            put_into_eval_mode(network)
        with _frozen(network), full_float32(), torch.random.fork_rng(gpus), torch.enable_grad():
            yield


@contextmanager
def _without_inference_tensors(network: nn.Module) -> Iterator[None]:
    """Put copies in the place of parameters and buffers that were made in inference mode, which autograd refuses."""
    with ExitStack() as originals:
        for module in network.modules():
            for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
                if tensor is not None and tensor.is_inference():
                    originals.callback(setattr, module, name, tensor)
                    setattr(module, name, _copy(tensor))
        yield


def _copy(tensor: Tensor) -> Tensor:
    return nn.Parameter(tensor.clone(), requires_grad=False) if isinstance(tensor, nn.Parameter) else tensor.clone()


@contextmanager
def _restored(network: nn.Module) -> Iterator[None]:
    """Put the modes and the buffers' values back in the end, where they have changed."""
    modes, buffers = modes_of(network), [(buffer, buffer.clone()) for buffer in network.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, before in buffers:
                if not buffer.is_meta and not torch.equal(buffer, before):
                    buffer.resize_(before.shape).copy_(before)
        for module, training in modes.items():
            if module.training is not training:
                module.training = training


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Keep autograd from recording what only the parameters' gradients would need."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def batches(
    network: nn.Module, images: Tensor | Iterable[Any], batch_size: int, first: int, joined: bool = False
) -> Iterator[tuple[int, Tensor]]:
    """Yield the number of each batch's first image, and the batch as the network takes it; refuse bad images.

    A batch holds no more than ``batch_size`` images; smaller ones are put together if they shall be ``joined``.
    """
    if any(tensor.is_meta for tensor in tensors_of(network)):
        require_values(network=network)
    checked = _checked_batches(images, batch_size, first)
    given_singly = joined and not isinstance(images, Tensor)
    return _uploaded(_joined(checked, batch_size) if given_singly else checked, network)


def _checked_batches(images: Tensor | Iterable[Any], batch_size: int, first: int) -> Iterator[tuple[int, Tensor]]:
    require_whole(batch_size=batch_size)
    if isinstance(images, str | np.ndarray) or not isinstance(images, Iterable):
        raise InvalidInput(
            f"images are a tensor or an iterable of batches, not {type(images).__name__}; "
            "those of a folder are erf.data.Pictures(folder, input_size)"
        )
    shape = None
    for given in [images] if isinstance(images, Tensor) else through(images):
        whole = _images_of(given)
        _check_images(whole, shape)
        shape = whole.shape[1:]
        for batch in whole.split(int(batch_size)) if len(whole) else ():
            yield first, batch
            first += len(batch)


def _joined(checked: Iterator[tuple[int, Tensor]], batch_size: int) -> Iterator[tuple[int, Tensor]]:
    """Put together what follows one another, as long as it is not too many images, nor of different kinds."""
    waiting: list[Tensor] = []
    start = 0
    for first, batch in checked:
        kinds = {(each.dtype, each.device) for each in (*waiting[:1], batch)}
        if waiting and (first + len(batch) - start > batch_size or len(kinds) > 1):
            yield start, torch.cat(waiting)
            waiting = []
        if not waiting:
            start = first
        waiting.append(batch.clone())  # whoever gives it may fill it anew
    if waiting:
        yield start, torch.cat(waiting)


def _images_of(batch: object) -> Tensor:
    """Return the images of a batch that may come with labels, as those of a DataLoader do."""
    images = batch[0] if isinstance(batch, tuple | list) and batch else batch
    if not isinstance(images, Tensor):
        outside = "" if images is batch else f"a {type(batch).__name__} that begins with "
        raise InvalidInput(
            f"a batch of images is a tensor, or a tuple or list with one first, not {outside}{type(images).__name__}"
        )
    return images


def _check_images(images: Tensor, shape: torch.Size | None) -> None:
    require_images(images)
    require_values(images=images)
    if shape is not None and images.shape[1:] != shape:
        raise InvalidInput(
            f"all images must have one shape: after images of {list(shape)} came {list(images.shape[1:])}"
        )


def _uploaded(checked: Iterator[tuple[int, Tensor]], network: nn.Module) -> Iterator[tuple[int, Tensor]]:
    """Give the batches the network's device and dtype; a GPU gets each next one while it works on the one before."""
    device, dtype = taken_by(network)
    if device is None or device.type != "cuda":
        yield from (
            (first, batch.detach().to(device or batch.device, dtype or batch.dtype)) for first, batch in checked
        )
        return
    like = torch.empty(0, dtype=dtype, device=device)
    waiting = deque()
    for first, batch in checked:
        waiting.append((first, *_copied(batch.detach(), like)))
        if len(waiting) > 1:
            yield _arrived(*waiting.popleft())
    while waiting:
        yield _arrived(*waiting.popleft())


def _copied(batch: Tensor, like: Tensor) -> tuple[Tensor, torch.Event]:
    """Start to copy a batch to a GPU; return it with the event of its arrival.

    It is copied also from pinned memory or from a GPU: whoever gives it may fill it anew when asked for the next one.
    """
    if batch.device.type != "cpu":
        return batch.to(like, copy=True), torch.cuda.current_stream(like.device).record_event()
    pinned = torch.empty_like(batch, pin_memory=True).copy_(batch)
    with torch.cuda.stream(stream := _copying_stream(like.device)):
        return pinned.to(like.device, non_blocking=True).to(like.dtype), stream.record_event()


@cache  # memory is kept for each stream
def _copying_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)


def _arrived(first: int, batch: Tensor, copied: torch.Event) -> tuple[int, Tensor]:
    """Let the stream that computes wait for the copy, whose memory is then that stream's."""
    computing = torch.cuda.current_stream(batch.device)
    computing.wait_event(copied)
    batch.record_stream(computing)
    return first, batch


def forward_passes(
    network: nn.Module,
    batch: Tensor,
    crops: Sequence[Crop],
    reorder: bool = True,
    precision: Precision = Precision.as_is,
) -> Iterator[tuple[Crop, Tensor, dict[str | None, Tensor]]]:
    """Yield each crop, its part of the images as the leaf, and its layers' outputs: one pass each, to the last.

    Where it pays to ``reorder`` weights, the pass is channels-last if that is faster.
    """
    for crop in crops:
        layers = list(dict.fromkeys(probe.layer for probe in crop.probes.values()))
        with precision.arithmetic(batch):
            leaf, outputs = _forward(network, batch[(..., *crop.slices)], layers, reorder)
        yield crop, leaf, outputs


def _forward(
    network: nn.Module, part: Tensor, layers: list[str | None], reorder: bool
) -> tuple[Tensor, dict[str | None, Tensor]]:
    """Return the leaf and the layers' outputs, in the fastest memory layout that the network can work in."""
    if reorder and _is_faster_with_channels_last(network, part):
        leaf = _leaf(part, torch.channels_last)
        with suppress(InvalidInput):  # as of a view that rows and columns behind the channels would allow
            return leaf, layer_outputs(network, leaf, layers, whole=False)
    leaf = _leaf(part)
    return leaf, layer_outputs(network, leaf, layers, whole=False)


def _leaf(images: Tensor, layout: torch.memory_format = torch.contiguous_format) -> Tensor:
    """Return the images as a leaf of autograd, which refuses those that were made in inference mode: a copy of them."""
    ordered = images.detach().contiguous(memory_format=layout)
    return (ordered.clone() if ordered.is_inference() else ordered).requires_grad_()


def _is_faster_with_channels_last(network: nn.Module, part: Tensor) -> bool:
    """A network that draws numbers would draw others."""
    fits = part.ndim == 4 and part.device.type == "cpu" and part.dtype in FASTER_WITH_CHANNELS_LAST
    return fits and not any(module.training for module in network.modules())


def at_unit(outputs: Tensor, index: Index, layer: str | None, images: int) -> Tensor:
    """Return the unit's channels ``[N, K]``, in whatever layout the layer's output is."""
    if not outputs.ndim or not isinstance(index[0], slice) or len(outputs[index]) != images:
        raise InvalidInput(f"{called(layer)} has shape {list(outputs.shape)}: its first dimension must be the images")
    return outputs[index].reshape(images, -1)


def gradient(
    channels: Tensor,
    leaf: Tensor,
    direction: Tensor | None = None,
    layer: str | None = None,
    retain_graph: bool = True,
) -> Tensor:
    """Return the gradient of a unit's channels ``[N, K]``, weighted by the direction and summed, at the leaf.

    The last unit of a pass need not retain the graph, whose memory is then used anew on the way back.

    Raises:
        InvalidInput: The channels are complex, or autograd knows of no way from the layer's output to the leaf.
    """
    if channels.is_complex():
        raise InvalidInput("the layer's output is complex; allowed are layers of real numbers")
    weighted = channels if direction is None else channels * direction.to(channels)
    try:
        g = gradient_in_cone(weighted.sum(), leaf, retain_graph)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise InvalidInput(f"{called(layer)} has no gradient: {one_line(error)}") from error
    if g is None:
        raise InvalidInput(
            f"{called(layer)} has no gradient with respect to the images: what leads to it runs under "
            "torch.no_grad or inference_mode or is detached, or it does not depend on them"
        )
    return g
