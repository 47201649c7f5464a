"""Where a network is run to be followed: without data where it allows that, on images where it needs values."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parameter import is_lazy

from erf.arguments.device import enough_memory
from erf.arguments.process_wide import process_wide
from erf.errors import InternalError, InvalidInput, one_line
from erf.reachability.as_written import as_written, is_scripted, kept_attributes, kept_buffers, tensors_of
from erf.reachability.channels import axes_of_first_convolution, channels_of_first_layer, channels_read
from erf.reachability.digit import NOTHING, NUMBERS, Digit
from erf.reachability.functions import Functions
from erf.reachability.reach import Reach
from erf.reachability.record import IMAGES, Trace
from erf.reachability.request import Unit
from erf.reachability.tracer import ReachMode, Returned
from erf.reachability.values import nested_refused

USUAL_CHANNELS = (3, 1)  # of images
NOISE_SEED = 0  # of the images of a field that needs values, where none are given


def traced(
    network: nn.Module,
    size: Unit,
    channels: int,
    until: str | None = None,
    needed: Collection[str] = ("",),
    images: Tensor | None = None,
    across: bool = False,
) -> Trace:
    """Return a pass without data, up to the named module's return, or a pass on images if they are given.

    Raises:
        InvalidInput: The network does not run on an image of that size, or an operator has no rule.
    """
    try:
        return trace(network, size, channels, until=until, needed=needed, images=images, across=across)
    except (InvalidInput, InternalError):
        raise
    except Exception as error:  # a user's forward may raise anything
        shape = ", ".join(map(str, ("N", channels, *size)))
        hint = _wrong_axes(network, size) or _wrong_channels(network, size, channels)
        raise InvalidInput(f"the network does not run on an input [{shape}]{hint}: {one_line(error)}") from error


def _wrong_axes(network: nn.Module, size: Unit) -> str:
    taken = axes_of_first_convolution(network)
    if taken in (None, len(size)):
        return ""
    return f" (its first convolution is nn.Conv{taken}d; {len(size)} sides are given, input_size={list(size)})"


def _wrong_channels(network: nn.Module, size: Unit, channels: int) -> str:
    taken = first_read(network, size, channels)
    return (
        f" (its first layer takes {taken} channels, not {channels}: channels={taken})"
        if taken not in (None, channels)
        else ""
    )


def first_read(network: nn.Module, size: Unit, channels: int) -> int | None:
    """Return how many channels an image must have where it is first read; None if that is not known.

    Args:
        network: Not modified.
        size: Of the image, per axis.
        channels: Of an image on which to try.
    """
    if is_scripted(network):
        return None
    image = _empty_image(network, channels, size)
    with kept_attributes(network), torch.random.fork_rng(devices=[]), torch.no_grad(), as_written(network):
        _leave_out_data(network)
        return channels_read(lambda: network(image), channels)


def likely_channels(network: nn.Module, size: Unit) -> list[int]:
    """Return how many channels an image may have, the likeliest number first.

    Raises:
        InvalidInput: Neither a pass nor the first layer says it.
    """
    stated = channels_of_first_layer(network)
    read = first_read(network, size, stated or USUAL_CHANNELS[0])
    if (read or stated) is None:
        raise InvalidInput("the number of input channels cannot be read off the first layer: pass channels=...")
    return list(dict.fromkeys(number for number in (read, stated, *USUAL_CHANNELS) if number))


def trace(
    network: nn.Module,
    input_size: Sequence[int],
    channels: int,
    bounded: bool = False,
    until: str | None = None,
    needed: Collection[str] = ("",),
    images: Tensor | None = None,
    flat: bool = False,
    across: bool = False,
) -> Trace:
    """Run the network once and return what can reach the output of each module.

    Args:
        network: Not modified.
        input_size: Extent of each spatial axis of the input.
        channels: Of the input.
        bounded: Take the borders as they are, and let padding read nothing, instead of an unbounded image.
        until: Stop when the module of that name has returned.
        needed: Names of modules. When all have returned, nothing is noted but whether one of them runs again, and
            whatever fails is no matter.
        images: On which to run; None is a pass on the meta device.
        flat: Let all pixels stand for one, which costs nothing: such a pass tells which operators run, and no boxes.
        across: Follow which images of the batch can reach a position, instead of which pixels.
    """
    if images is None:
        _require_no_script(network)
    image = _empty_image(network, channels, input_size) if images is None else images
    dims = [0] if across else range(2, image.ndim)
    contexts = [_without_collection(), kept_attributes(network), as_written(network), nested_refused()]
    contexts += [_without_fast_paths(), _random_state(image), torch.no_grad()]
    # In inference mode torch 2.6 shows other operators.
    contexts += [torch.inference_mode(False)] if images is None else [kept_buffers(network), _in_plain_operators()]
    with ExitStack() as ending, ExitStack() as stack:
        for context in contexts:
            stack.enter_context(context)
        if images is None:
            _leave_out_data(network)
        mode = ReachMode(network, list(tensors_of(network)), image, dims, bounded, until, needed)
        ending.callback(mode.end)
        mode.reaches[image] = tuple(_one_pixel(image) if flat else _positions(image, dim, bounded) for dim in dims)
        functions = Functions(
            mode.trace, bounded, mode.as_one_operator, mode.leave_for_python, mode.in_windows, mode.read_shape
        )
        for context in [mode.modules.followed(), functions, mode]:
            stack.enter_context(context)
        try:
            network(image)
        except Returned:
            pass
        except Exception:  # what runs after the needed modules may fail in any way
            if not set(needed) <= {step.name for step in mode.trace.steps}:
                raise
        return mode.trace


def _require_no_script(network: nn.Module) -> None:
    if is_scripted(network):
        raise InvalidInput("the weights of a scripted or traced module cannot be left out")


def noise(network: nn.Module, channels: int, size: Sequence[int]) -> Tensor:
    """Return images of normal noise, as many as a pass takes, always the same, as the network takes them."""
    with enough_memory(f"images of {' x '.join(map(str, size))} pixels and {channels} channels"):
        drawn = torch.randn(IMAGES, channels, *size, generator=torch.Generator().manual_seed(NOISE_SEED))
    return as_taken(network, drawn)


def as_taken(network: nn.Module, images: Tensor) -> Tensor:
    """Return images on the device and in the dtype of the network's (first floating-point) parameters or buffers."""
    tensors = list(tensors_of(network))
    device = tensors[0].device if tensors else images.device
    return images.detach().to(device, _dtype(tensors) or images.dtype)


def _dtype(tensors: Sequence[Tensor]) -> torch.dtype | None:
    return next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), None)


def _empty_image(network: nn.Module, channels: int, size: Sequence[int]) -> Tensor:
    """Return images without data."""
    dtype = _dtype(list(network.parameters())) or torch.get_default_dtype()
    return torch.empty(IMAGES, channels, *size, dtype=dtype, device="meta")


def _leave_out_data(network: nn.Module) -> None:
    """Put a stand-in in the place of each parameter and buffer, until the modules' attributes are put back."""
    for module in network.modules():
        places: tuple[dict[str, Any], dict[str, Any]] = module._parameters, module._buffers
        for tensors in places:
            for name, tensor in tensors.items():
                if tensor is not None:
                    tensors[name] = _weightless(tensor)


def _weightless(tensor: Tensor) -> Tensor:
    """Return a stand-in: without data, except for integers, which may be positions."""
    if is_lazy(tensor):
        raise InvalidInput("the network has lazy modules: run it once before its receptive field is asked for")
    if tensor.is_meta or tensor.is_floating_point() or tensor.is_complex():
        return torch.empty_like(tensor, device="meta")
    return tensor.detach().cpu().clone()


def _positions(image: Tensor, dim: int, bounded: bool) -> Reach:
    """Each position along a dimension of the input is reached by itself."""
    size = image.shape[dim]
    dims = [Digit(n) for n in image.shape]
    dims[dim] = Digit(size, 0, 0) if bounded else Digit(size, 1, 1, along=True)
    positions = np.arange(size, dtype=np.float64)
    shape = [size if k == dim else 1 for k in range(len(dims))]
    nowhere = np.full(size, NOTHING)
    values = np.stack([positions, -positions, nowhere, nowhere]).reshape(NUMBERS, *shape)
    return Reach(tuple((digit,) for digit in dims), values)


def _one_pixel(image: Tensor) -> Reach:
    values = np.array([0.0, 0.0, NOTHING, NOTHING]).reshape(NUMBERS, *(1,) * image.ndim)
    return Reach(tuple((Digit(size),) for size in image.shape), values)


def _random_state(image: Tensor) -> AbstractContextManager[None]:
    return torch.random.fork_rng([image.device] if image.device.type == "cuda" else [])


@process_wide
@contextmanager
def _without_collection() -> Iterator[None]:
    """Spare the garbage collector the pass, which makes thousands of objects and lets go of most when it is read."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@process_wide
@contextmanager
def _without_fast_paths() -> Iterator[None]:
    """Keep attention in the operators that it is made of: the fused one has no meta kernel."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


@process_wide
@contextmanager
def _in_plain_operators() -> Iterator[None]:
    """Keep a pass on images in the operators that a pass without data runs."""
    enabled = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)  # that of torch.backends sets more, and warns
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch._C._set_mkldnn_enabled(enabled)
