"""What public functions accept: each kind of argument is checked here, and refused in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from itertools import chain
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from erf.errors import InvalidInput

LARGEST = 2**31 - 1  # of what is counted or measured
LONGEST_PATH, LONGEST_NAME = 4096, 255  # bytes of a path, and of each part of it, on Linux
LONGEST_SHOWN = 60  # characters of a value in a message
REALS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # those that torch computes with


def require_type(*kinds: Any, **values: Any) -> None:
    """Raise InvalidInput unless every value, named by its argument, is of one of these types."""
    for name, value in values.items():
        if not isinstance(value, kinds):
            allowed = " or ".join(kind.__name__ for kind in kinds)
            raise InvalidInput(f"{name}={shown(value)}: allowed is a value of type {allowed}")


def require_real(fits: Callable[[Any], bool], allowed: str, **values: Any) -> None:
    """Raise InvalidInput unless every value is a real number that fits; NaN fits no comparison, True is no number."""
    for name, value in values.items():
        try:
            is_fit = isinstance(value, Real) and not isinstance(value, bool) and fits(value)
        except OverflowError:  # of a whole number that no float holds
            is_fit = False
        if not is_fit:
            raise InvalidInput(f"{name}={shown(value)}: allowed are {allowed}")


def require_number(**values: Any) -> None:
    """Raise InvalidInput unless every value is a finite real number."""
    require_real(lambda value: abs(value) <= sys.float_info.max, "finite numbers", **values)


def require_number_or_none(**values: Any) -> None:
    """Raise InvalidInput unless every value is a finite real number or None."""
    require_number(**{name: value for name, value in values.items() if value is not None})


def require_share(**values: Any) -> None:
    """Raise InvalidInput unless every value is in (0, 1]."""
    require_real(lambda share: 0 < share <= 1, "shares in (0, 1]", **values)


def require_whole(least: int = 1, **values: Any) -> None:
    """Raise InvalidInput unless every value is a whole number from ``least``.

    Those from 1 count or measure something, up to ``LARGEST``.
    """
    for name, value in values.items():
        if not is_whole(value) or value < least:
            raise InvalidInput(f"{name}={shown(value)}: allowed are whole numbers from {least}")
        if least and value > LARGEST:
            raise InvalidInput(f"{name}={shown(value)}: allowed are whole numbers from {least} to {LARGEST}")


def require_whole_per_axis(axes: int | None = None, least: int = 1, **values: Any) -> None:
    """Raise InvalidInput unless every value is a list or tuple of so many whole numbers; None is 1, 2 or 3 of them."""
    for name, value in values.items():
        fits = isinstance(value, list | tuple) and len(value) in ((axes,) if axes else (1, 2, 3))
        if not fits or any(not is_whole(side) or not least <= side <= LARGEST for side in value):
            allowed = f"whole numbers from {least}, one for each of {axes or '1, 2 or 3'} axes"
            raise InvalidInput(f"{name}={shown(value)}: allowed are {allowed}")


def per_axis(value: Any, axes: int, name: str) -> tuple[int, ...]:
    """Return a tuple of whole numbers from 1 as it is, and one whole number for all axes; refuse anything else."""
    if not is_whole(value) or value < 1:
        require_whole_per_axis(axes, **{name: value})
    return tuple(value) if isinstance(value, Sequence) else (value,) * axes


def require_callable(**values: Any) -> None:
    """Raise InvalidInput unless every value can be called."""
    for name, value in values.items():
        if not callable(value):
            raise InvalidInput(f"{name}={shown(value)}: allowed is a function")


def require_path(**values: Any) -> None:
    """Raise InvalidInput unless every value is a path; an empty one would mean the current folder."""
    for name, value in values.items():
        if not isinstance(value, str | Path) or not _is_name(str(value)):
            raise InvalidInput(f"{name}={shown(value)}: allowed is a path, written out; '.' is the current folder")
        if _is_too_long(os.fsencode(value)):
            allowed = f"allowed is one of fewer than {LONGEST_PATH} bytes, with names of at most {LONGEST_NAME}"
            raise InvalidInput(f"{name}={str(value)[:LONGEST_SHOWN]}...: the path is too long; {allowed}")


def _is_name(text: str) -> bool:
    """Return whether a file may have this name, however long."""
    try:
        return bool(text) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _is_too_long(path: bytes) -> bool:
    return len(path) >= LONGEST_PATH or any(len(name) > LONGEST_NAME for name in path.split(b"/"))


def as_path(**value: Any) -> Path:
    """Return the one path given, which may be a string; errors as of :func:`require_path`."""
    require_path(**value)
    return Path(*value.values())


def real_array(values: ArrayLike, name: str) -> np.ndarray:
    """Return ``values`` as an array of floating-point numbers, in their own precision.

    Raises:
        InvalidInput: They are not finite real numbers.
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError):  # lists of unequal lengths; tensors on a GPU or with a gradient
        array = np.empty(0, object)
    if isinstance(values, bytes | bytearray | memoryview) or np.ma.is_masked(values) or _has_flag(values, array.ndim):
        array = np.empty(0, object)
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise InvalidInput(f"{name}={shown(values)}: allowed are finite real numbers")
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _has_flag(values: Any, depth: int) -> bool:
    """Return whether a True or False stands among numbers in lists: numpy takes it for one."""
    if isinstance(values, list | tuple) and depth:
        return any(_has_flag(value, depth - 1) for value in values)
    return isinstance(values, bool)


def require_finite(**values: Any) -> None:
    """Raise InvalidInput unless every value is a finite real number or an array of such; None is left out."""
    for name, value in values.items():
        if value is not None:
            real_array(value, name)


def require_images(images: Any, *axes: int) -> None:
    """Raise InvalidInput unless ``images`` are a dense tensor of finite real numbers ``[N, C, H, W]``.

    Args:
        images: What is given as images.
        axes: The allowed numbers of spatial axes, if not 1, 2 and 3.
    """
    require_dense(images=images)
    if images.ndim - 2 not in (axes or (1, 2, 3)) or 0 in images.shape[1:]:
        raise InvalidInput(f"images must have shape [N, C, H, W], not {list(images.shape)}")
    if images.dtype not in REALS:
        raise InvalidInput(
            f"images must be real floating-point numbers, not {_dtype(images)}; bytes become such by images.float() / "
            "255, normalized as the network was trained"
        )
    if not is_finite(images):
        raise InvalidInput("the images have values that are not finite")


def require_dense(**tensors: Any) -> None:
    """Raise InvalidInput unless every value is a tensor that is neither sparse nor nested."""
    require_type(Tensor, **tensors)
    for name, tensor in tensors.items():
        if tensor.is_nested or tensor.layout is not torch.strided:
            raise InvalidInput(f"{name}: allowed is a dense tensor, neither sparse nor nested")


def require_writable(**tensors: Tensor) -> None:
    """Raise InvalidInput unless every value is a dense tensor each of whose elements has a place of its own."""
    require_dense(**tensors)
    for name, tensor in tensors.items():
        if any(step == 0 and side > 1 for step, side in zip(tensor.stride(), tensor.shape, strict=True)):
            raise InvalidInput(f"{name}={shown(tensor)} is expanded, its elements share places; allowed is its clone()")


def through(images: Any) -> Iterator[Any]:
    """Return what goes through batches of images; an array without dimensions has only the look of an iterable."""
    try:
        return iter(images)
    except Exception as error:  # of an object that is not ours
        raise InvalidInput(f"images={shown(images)}: allowed is a tensor, or an iterable of batches") from error


def require_values(**values: Tensor | nn.Module) -> None:
    """Raise InvalidInput if a tensor, or a parameter or buffer of a network, is on the meta device."""
    for name, value in values.items():
        tensors = chain(value.parameters(), value.buffers()) if isinstance(value, nn.Module) else [value]
        if any(tensor.is_meta for tensor in tensors):
            raise InvalidInput(f"{name} is on the meta device, at least in part: there are no values to measure")


def require_initialized(network: nn.Module) -> None:
    """Raise InvalidInput if a parameter or buffer belongs to a lazy module that has not run yet."""
    for name, tensor in chain(network.named_parameters(), network.named_buffers()):
        if is_lazy(tensor):
            raise InvalidInput(f"{name!r} of the network is lazy and has no values yet; run a batch first")


def require_weights(network: Any, real: bool = True) -> None:
    """Raise InvalidInput unless ``network`` is a module of finite (and real) parameters, and no buffer has a NaN.

    Infinite buffers are allowed: masks of attention are.
    """
    require_type(nn.Module, network=network)
    for name, parameter in network.named_parameters():
        if real and parameter.is_complex():
            raise InvalidInput(f"parameter {name!r} is complex ({_dtype(parameter)}); allowed are real ones")
        if (parameter.is_floating_point() or parameter.is_complex()) and not is_finite(parameter):
            raise InvalidInput(f"parameter {name!r} has values that are not finite")
    for name, buffer in network.named_buffers():
        if buffer.is_floating_point() and not is_finite(buffer) and buffer.isnan().any():
            raise InvalidInput(f"buffer {name!r} has values that are NaN")


def is_whole(value: Any) -> TypeGuard[int]:
    """Return whether ``value`` is a whole number; True and 1.0 are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_finite(values: Tensor) -> bool:
    """Return whether all values are finite, as far as there are values (on the meta device there are none)."""
    if values.is_meta or is_lazy(values):
        return True
    numbers = values.detach()
    if values.is_complex():
        numbers = torch.view_as_real(numbers.resolve_conj())
    elif values.dtype not in REALS:  # torch does not add up float8
        numbers = numbers.float()
    # A sum needs no tensor of flags, but may overflow.
    return bool(numbers.sum().isfinite() or numbers.isfinite().all())


def shown(value: Any) -> str:
    """Return ``value`` as a message shows it: in full if that is short, or else its type and shape."""
    try:
        text = "" if isinstance(value, Tensor | nn.Module | np.ndarray) else repr(value)
        text = str(value) if isinstance(value, StrEnum) else text
    except Exception:  # of an object that is not ours
        text = ""
    if text and len(text) <= LONGEST_SHOWN and "\n" not in text:
        return text
    shape = None if getattr(value, "is_nested", False) else getattr(value, "shape", None)
    of_shape = "" if shape is None else f" of {_dtype(value)} {list(shape)}"
    return f"{type(value).__name__}{of_shape}"


def _dtype(values: Any) -> str:
    return str(values.dtype).removeprefix("torch.")
