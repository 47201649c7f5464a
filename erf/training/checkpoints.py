"""Checkpoints of a training, from which it goes on bit by bit, and the weights of its best epoch."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from erf.arguments import as_path, require_type, require_values, require_whole
from erf.errors import InvalidInput, decoding, extra
from erf.files.atomic_file import atomic_write
from erf.files.regular_file import read_regular
from erf.files.tensor_file import load_tensors
from erf.spelling import respelled
from erf.training.plan import Epoch, Plain, Plan
from erf.training.processes import require_fabric

if TYPE_CHECKING:
    from lightning_fabric import Fabric

with extra("training"):
    import safetensors.torch

LAST, BEST = "last.pt", "best.safetensors"  # checkpoints in a training's folder


@dataclass
class Progress:
    """How far a training is: epochs done, steps done of the next one, and its losses ``[world_size, steps]``."""

    history: list[Epoch]
    step: int
    losses: Tensor

    @property
    def epoch(self) -> int:
        """The number of epochs done."""
        return len(self.history) - 1


def best_weights(fabric: Fabric, folder: Path) -> bytes:
    """Return the weights of the best epoch of the training in ``folder``, in the format of safetensors.

    Raises:
        InvalidInput: No epoch is finished.
    """
    require_fabric(fabric)
    path = as_path(folder=folder) / BEST
    content = _read(fabric, path)
    if content is None:
        raise InvalidInput(f"{path} is missing: no epoch is finished")
    return content


def half_precision_weights(network: nn.Module) -> bytes:
    """Return the weights and buffers of ``network`` in the format of safetensors, floating-point ones as float16.

    Each is then off by up to a two-thousandth of itself; :func:`load_weights` reads them.
    """
    require_type(nn.Module, network=network)
    require_values(network=network)
    state = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    return safetensors.torch.save({name: v.half() if v.is_floating_point() else v for name, v in state.items()})


def load_weights(network: nn.Module, weights: bytes) -> None:
    """Give ``network`` the ``weights`` of :func:`best_weights` or :func:`half_precision_weights`.

    Raises:
        InvalidInput: They are damaged, or do not fit the network.
    """
    require_type(nn.Module, network=network)
    require_values(network=network)
    require_type(bytes, weights=weights)
    with decoding("the weights do not fit the network: "):
        network.load_state_dict(safetensors.torch.load(weights))


def weights_of(network: nn.Module) -> bytes:
    """Return the weights and buffers of ``network`` in the format of safetensors."""
    return safetensors.torch.save({name: value.cpu().contiguous() for name, value in network.state_dict().items()})


def save_last(fabric: Fabric, network: Any, optimizer: Any, plan: Plan, folder: Path, done: Progress) -> None:
    """Write the checkpoint that :func:`resumed` reads."""

    def content() -> bytes:
        file = io.BytesIO()
        progress = {"step": done.step, "losses": done.losses, "history": [asdict(epoch) for epoch in done.history]}
        states = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save({"settings": _settings(fabric, plan)} | progress | states, file)
        return file.getvalue()

    write_checkpoint(fabric, folder / LAST, content)


def write_checkpoint(fabric: Fabric, path: Path, content: Callable[[], bytes]) -> None:
    """Let process 0 write what ``content`` returns, whole or not at all."""
    if fabric.is_global_zero:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, content())


def _read(fabric: Fabric, path: Path) -> bytes | None:
    """Return what is in the file, or None where there is none; only process 0 need see it."""
    content = read_regular(path) if fabric.is_global_zero and path.exists() else None
    return fabric.broadcast(content)


def _settings(fabric: Fabric, plan: Plan) -> dict[str, Plain]:
    own: dict[str, Plain] = {"processes": fabric.world_size, "steps": plan.batches.steps(fabric.world_size)}
    return own | {"epochs": plan.epochs, "accumulate": plan.accumulate} | dict(plan.settings)


def resumed(fabric: Fabric, network: nn.Module, optimizer: Any, plan: Plan, folder: Path) -> Progress | None:
    """Put network and optimiser back to the last checkpoint and return how far it is; None where there is none."""
    path = folder / LAST
    content = _read(fabric, path)
    if content is None:
        return None
    checkpoint = _decoded(content, path)
    _require_same(respelled(checkpoint["settings"]), _settings(fabric, plan), path)
    with decoding(f"{path} does not fit the network: "):
        network.load_state_dict(checkpoint["network"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        history = [Epoch(**epoch) for epoch in checkpoint["history"]]
        progress = Progress(history, checkpoint["step"], checkpoint["losses"])
        require_whole(0, step=progress.step)
        require_type(Tensor, losses=progress.losses)
    return progress


def _decoded(content: bytes, path: Path) -> dict[str, Any]:
    with decoding(f"{path} is damaged: ", "; without it training starts anew"):
        checkpoint = load_tensors(io.BytesIO(content))
    keys = {"settings", "step", "losses", "history", "network", "optimizer"}
    if not isinstance(checkpoint, dict) or not keys <= {*checkpoint}:
        raise InvalidInput(f"{path} is not the checkpoint of a training")
    return checkpoint


def _require_same(saved: Mapping[str, Plain], current: Mapping[str, Plain], path: Path) -> None:
    keys = [key for key in {**saved, **current} if saved.get(key) != current.get(key)]
    if keys:
        differing = ", ".join(f"{key}={saved.get(key)} there, {current.get(key)} here" for key in keys)
        raise InvalidInput(f"{path} is of another training: {differing}; it goes on with the same settings only")
