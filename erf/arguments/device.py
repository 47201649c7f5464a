"""Where to compute, and with which arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from erf.arguments import require_type
from erf.arguments.process_wide import process_wide
from erf.errors import InvalidInput, is_out_of_memory


def available_devices() -> list[str]:
    """Return the names of this machine's devices, accelerators first."""
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return gpus + ["mps"] * torch.backends.mps.is_available() + ["cpu"]


def resolve_device(name: str) -> torch.device:
    """Return the device called "auto", "cpu", "cuda", "cuda:N" or "mps"; auto takes a GPU where there is one.

    Raises:
        InvalidInput: The name is unknown, or this machine has no such device.
    """
    require_type(str, device=name)
    present = available_devices()
    full_name = {"auto": present[0], "cuda": "cuda:0"}.get(name, name)
    if full_name not in present:
        raise InvalidInput(f"device={name!r} is unknown or absent; allowed on this machine: auto, {', '.join(present)}")
    return torch.device(full_name)


def named_device(device: torch.device | str) -> torch.device:
    """Return a device as it is, and the one of this machine that is called so; errors as :func:`resolve_device`."""
    return device if isinstance(device, torch.device) else resolve_device(device)


@contextmanager
def enough_memory(what: str) -> Iterator[None]:
    """Turn running out of memory, where ``what`` is made, into an InvalidInput."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise InvalidInput(f"out of memory for {what}; allowed are smaller sizes") from error


@process_wide
@contextmanager
def full_float32() -> Iterator[None]:
    """Keep float32 products at full precision inside the block: TF32 would round influences to 10 bits."""
    backends: Any = torch.backends  # whose settings are not typed
    settings, name, full = [backends.cuda.matmul, backends.cudnn], "allow_tf32", False
    try:
        before = [getattr(setting, name) for setting in settings]
    except RuntimeError:  # torch refuses these where the newer settings (since 2.9) say something else
        settings = [backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn]
        name, full = "fp32_precision", "ieee"
        before = [getattr(setting, name) for setting in settings]
    for setting in settings:
        setattr(setting, name, full)
    try:
        yield
    finally:
        for setting, value in zip(settings, before, strict=True):
            setattr(setting, name, value)
