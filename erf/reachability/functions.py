"""Functions that change here because the operators that they are made of no longer tell what they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode

from erf.errors import InvalidInput
from erf.reachability.record import Operation, Trace
from erf.reachability.recurrent import RECURRENT

READERS: frozenset[Callable[..., object]] = frozenset(
    [Tensor.numpy, Tensor.tolist, Tensor.__array__, Tensor.__dlpack__]
)
SHAPES: frozenset[Callable[..., object]] = frozenset(
    [
        vars(torch._C.TensorBase)["shape"].__get__,
        *(Tensor.size, Tensor.__len__, Tensor.numel, Tensor.nelement, Tensor.unbind, Tensor.__iter__),
    ]
)


class Functions(TorchFunctionMode):
    """Changes or notes six kinds of functions.

    Circular padding continues an unbounded image like any other; torch makes it of writes to slices. Integers from a
    list, which may be positions, keep their values; so do the lists by which a tensor is indexed. A recurrent layer is
    one operator. And what reads values, or a shape, calls no
    operator.
    """

    def __init__(
        self, passed: Trace, bounded: bool, as_one_operator: Callable[[OpOverload, Any, Any], Any],
        leave_for_python: Callable[[object, list[Tensor]], None], in_windows: Callable[[Tensor], bool],
        read_shape: Callable[[Tensor], None],
    ) -> None:  # fmt: skip
        super().__init__()
        self._trace = passed
        self._bounded = bounded
        self._as_one_operator = as_one_operator
        self._leave_for_python = leave_for_python
        self._in_windows = in_windows
        self._read_shape = read_shape

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        circular = func is nn.functional.pad and "circular" in (*args[2:3], kwargs.get("mode"))
        if circular and not self._bounded and not self._in_windows(args[0]):
            self._trace.operations.append(Operation(None))
            args, kwargs = args[:2], {"pad": kwargs["pad"]} if "pad" in kwargs else {}
        if func in (torch.tensor, torch.as_tensor) and str(kwargs.get("device")).startswith("meta"):
            return func(*args, **(kwargs | {"device": "cpu"}))
        if func is Tensor.new_tensor and args[0].is_meta and "device" not in kwargs:
            return torch.tensor(*args[1:], **({"dtype": args[0].dtype} | kwargs))
        if func is Tensor.as_strided_:
            raise InvalidInput("the network calls as_strided_, which cannot be followed: as_strided can")
        if func in READERS:
            self._leave_for_python(f"Tensor.{func.__name__}", [args[0]])
        if func in SHAPES:
            self._read_shape(args[0])
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            args = (args[0], _as_tensors(args[1]), *args[2:])
        if getattr(func, "__name__", "") == "_pack_padded_sequence":
            raise InvalidInput("the network packs sequences, which cannot be followed: it can be given padded ones")
        if getattr(func, "__name__", "") in RECURRENT and len(args) == 9:
            return self._as_one_operator(getattr(torch.ops.aten, func.__name__).input, args, kwargs)
        return func(*args, **kwargs)


def _as_tensors(index: Any) -> Any:
    """Make tensors of the sequences in an index."""
    return tuple(map(_as_tensor, index)) if isinstance(index, tuple) else _as_tensor(index)


def _as_tensor(index: Any) -> Any:
    return torch.tensor(index) if isinstance(index, list | tuple | range) and _is_numbers(index) else index


def _is_numbers(values: Sequence[Any]) -> bool:
    """Whether a sequence holds whole numbers or truth values, or sequences of them."""
    nested = list, tuple, range
    return bool(values) and all(_is_numbers(v) if isinstance(v, nested) else isinstance(v, int) for v in values)
