"""Where and how to compute: the device, the precision, and the processes that train together."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch.multiprocessing.spawn import ProcessRaisedException

from erf.arguments import require_callable, require_type, require_whole
from erf.errors import InvalidInput, extra
from erf.maps.statistic import choice

if TYPE_CHECKING:
    from lightning_fabric import Fabric

T = TypeVar("T")


class Precision(StrEnum):
    """Of the forward and backward pass; auto is bfloat16 (weights stay float32) on GPUs that have it, else float32."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"


def make_fabric(device: torch.device, processes: int = 1, precision: Precision = Precision.auto) -> Fabric:
    """Return where and how to compute; :func:`launch` starts it.

    Args:
        device: For one process; for several, its type, of which each takes one.
        processes: On this machine. Under torchrun its own numbers of processes and machines hold.
        precision: Of forward and backward.

    Raises:
        InvalidInput: This machine has not so many devices.
    """
    with extra("training"):
        from lightning_fabric import Fabric  # here: it takes seconds, and who describes a training needs none of it

    require_type(torch.device, device=device)
    if device.type == "meta":
        raise InvalidInput("device=meta computes nothing; allowed are devices that do")
    require_whole(processes=processes)
    precision = choice(Precision, precision, "precision")
    local = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    if device.type != "cpu" and local > 1 and local > torch.cuda.device_count():
        raise InvalidInput(
            f"processes={local}: this machine has {torch.cuda.device_count()} GPUs, one for each at most"
        )
    lone_gpu = local == 1 and device.index is not None
    return Fabric(
        accelerator=device.type,
        devices=[device.index] if lone_gpu else local,
        num_nodes=int(os.environ.get("WORLD_SIZE", local)) // local,
        strategy="ddp" if "LOCAL_WORLD_SIZE" in os.environ else "ddp_spawn" if local > 1 else "auto",
        precision="bf16-mixed" if _bfloat16(precision, device) else "32-true",
    )


def require_fabric(fabric: Any) -> None:
    """Raise InvalidInput unless ``fabric`` is one, as :func:`make_fabric` returns it."""
    with extra("training"):
        from lightning_fabric import Fabric

    require_type(Fabric, fabric=fabric)


def _bfloat16(precision: Precision, device: torch.device) -> bool:
    has_it = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return precision is Precision.bfloat16 or (precision is Precision.auto and has_it)


def launch(fabric: Fabric, function: Callable[..., T], *arguments: Any) -> T:
    """Return ``function(fabric, *arguments)`` of process 0, called in every process; no tensors may be in it.

    Raises:
        InvalidInput: One was raised in any of them.
    """
    require_callable(fabric=getattr(fabric, "launch", fabric), function=function)
    try:
        boxed: Any = _boxed  # fabric.launch is typed for functions without further arguments
        return fabric.launch(boxed, function, *arguments).content
    except ProcessRaisedException as error:
        # Only the text of the traceback comes from the other process.
        kind, _, message = str(error).strip().splitlines()[-1].partition(": ")
        if kind.rpartition(".")[2] == InvalidInput.__name__:
            raise InvalidInput(message) from error
        raise


class _Box:
    """Holds what Fabric would otherwise take apart to look for tensors, which frozen dataclasses do not allow."""

    def __init__(self, content: Any) -> None:
        self.content = content


def _boxed(fabric: Fabric, function: Callable[..., Any], *arguments: Any) -> _Box:
    try:
        return _Box(function(fabric, *arguments))
    finally:
        if torch.distributed.is_initialized():  # its threads must not outlive the interpreter
            torch.distributed.destroy_process_group()
