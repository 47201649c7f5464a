"""Training in one plain loop over Lightning Fabric, which goes on bit by bit where it was stopped (section 3.2)."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.multiprocessing.spawn import ProcessRaisedException

from erf.arguments import require_finite, require_path, require_type, require_whole, shown
from erf.atomic_file import atomic_write
from erf.device import is_out_of_memory
from erf.errors import InvalidInput
from erf.extras import extra
from erf.maps.statistic import choice
from erf.seeds import derive
from erf.spelling import respelled
from erf.training.batch_norm import calibrate_batch_norm_

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torchmetrics import MetricCollection

with extra("training"):
    import safetensors.torch

LAST, BEST = "last.pt", "best.safetensors"  # checkpoints in a training's folder

T = TypeVar("T")
Plain = str | int | float | bool | None
Loss = Callable[[Tensor, Tensor], Tensor]
OnEpoch = Callable[[nn.Module, int], Mapping[str, float]]


class Diverged(InvalidInput):
    """The loss is not finite: the training has ended, at the last checkpoint before."""


class Precision(StrEnum):
    """Of the forward and backward pass; auto is bfloat16 (weights stay float32) on GPUs that have it, else float32."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"


class Batches(Protocol):
    """Passes over a data set, each determined by its number and the process's rank alone."""

    def steps(self, world_size: int = 1) -> int:
        """Return the number of steps of a pass, the same for every process."""
        ...

    def epoch(
        self, epoch: int, rank: int = 0, world_size: int = 1, device: torch.device | str = "cpu", start_step: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this process's images and targets of each step from ``start_step`` on."""
        ...


@dataclass(frozen=True)
class Plan:
    """How a network is trained.

    Attributes:
        batches: What it learns from.
        validation: What it is judged by after every epoch; each image once.
        loss: Of outputs and targets, a mean over images.
        metrics: Of outputs and targets, on the validation batches.
        best_by: The metric whose largest value marks the best epoch.
        learning_rate: Of each optimiser step, counted from 0 over all epochs.
        epochs: How often all batches are seen.
        seed: Of what the network draws itself (dropout, ...).
        accumulate: Parts that each batch goes through the network in, their gradients summed before the step.
        calibration: Batches that batch norm's statistics are averaged over before the first epoch.
        checkpoint_steps: Steps between checkpoints within an epoch, at which losses are checked, too.
        settings: What a checkpoint must agree with to be gone on from.

    Raises:
        InvalidInput: A number is too small.
    """

    batches: Batches
    validation: Batches
    loss: Loss
    metrics: MetricCollection
    best_by: str
    learning_rate: Callable[[int], float]
    epochs: int
    seed: int = 0
    accumulate: int = 1
    calibration: int = 16
    checkpoint_steps: int = 50
    settings: Mapping[str, Plain] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("epochs", "accumulate", "calibration", "checkpoint_steps"):
            require_whole(**{name: getattr(self, name)})
        require_whole(0, seed=self.seed)
        require_type(str, best_by=self.best_by)


@dataclass(frozen=True)
class Epoch:
    """What an epoch left behind; epoch 0 is the network before training.

    Attributes:
        number: Epochs trained.
        loss: Mean training loss of its steps, each before its update; None before training.
        metrics: On the validation batches, after the epoch.
        measured: What ``on_epoch`` returned, in process 0; in the others nothing.
    """

    number: int
    loss: float | None
    metrics: dict[str, float]
    measured: dict[str, float]

    def __post_init__(self) -> None:
        require_whole(0, number=self.number)
        require_finite(loss=self.loss)


@dataclass
class _Progress:
    """How far a training is: epochs done, steps done of the next one, and its losses ``[world_size, steps]``."""

    history: list[Epoch]
    step: int
    losses: Tensor

    @property
    def epoch(self) -> int:
        return len(self.history) - 1


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
        strategy="ddp" if _by_torchrun() else "ddp_spawn" if local > 1 else "auto",
        precision="bf16-mixed" if _bfloat16(precision, device) else "32-true",
    )


def _by_torchrun() -> bool:
    return "LOCAL_WORLD_SIZE" in os.environ


def _bfloat16(precision: Precision, device: torch.device) -> bool:
    has_it = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return precision is Precision.bfloat16 or (precision is Precision.auto and has_it)


def launch(fabric: Fabric, function: Callable[..., T], *arguments: Any) -> T:
    """Return ``function(fabric, *arguments)`` of process 0, called in every process; no tensors may be in it.

    Raises:
        InvalidInput: One was raised in any of them.
    """
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


def train(
    fabric: Fabric,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    plan: Plan,
    folder: Path,
    on_epoch: OnEpoch = lambda network, epoch: {},
    progress: Callable[[Iterator, str, int], Iterable] = lambda batches, description, total: batches,
) -> Iterator[Epoch]:
    """Train ``network`` and yield every epoch, those before an interruption first.

    Checkpoints lie in ``folder``: ``last.pt`` (everything, after every ``checkpoint_steps`` steps and every epoch) and
    ``best.safetensors`` (the weights of the best epoch so far). The same call goes on from there, and on a CPU the
    numbers are those of an uninterrupted training, bit for bit. All random numbers of a step derive from
    (seed, epoch, step, rank). Weights and images are channels_last.

    Before the first epoch batch norm's running statistics become the plain average over ``calibration`` training
    batches, as in eval mode an untrained network would otherwise be another one than that which is trained; while
    training they are updated with the layers' own momentum. In several processes each normalizes by its own images,
    and the running statistics are those of process 0.

    Args:
        fabric: Device, precision and processes, launched.
        network: Maps images ``[N, C, H, W]`` to what ``plan.loss`` takes. Trained in place.
        optimizer: Of its parameters; its learning rate is set at every step.
        plan: How to train.
        folder: For the checkpoints of this training alone.
        on_epoch: Called by process 0 with the network and 0 before training, then after every epoch with its number;
            the numbers that it returns become ``Epoch.measured``. It must leave the network as it is.
        progress: Wraps an epoch's batches, to show how far it is.

    Raises:
        Diverged: The loss is not finite.
        InvalidInput: The checkpoint is damaged or of other settings, or memory ran out.
    """
    require_type(nn.Module, network=network)
    require_type(torch.optim.Optimizer, optimizer=optimizer)
    require_type(Plan, plan=plan)
    _require_metrics(plan.metrics)
    require_path(folder=folder)
    model, optimizer = fabric.setup(network.to(memory_format=torch.channels_last), optimizer)
    plan.metrics.to(fabric.device)
    steps = plan.batches.steps(fabric.world_size)
    done = _resumed(fabric, network, optimizer, plan, folder)
    if done is None:
        calibrate(network, plan.batches, plan.calibration, fabric.device)
        done = _Progress([_finished(fabric, network, plan, 0, None, on_epoch)], 0, _no_losses(fabric, steps))
        _save_last(fabric, network, optimizer, plan, folder, done)
    yield from done.history
    while done.epoch < plan.epochs:
        _train_epoch(fabric, model, network, optimizer, plan, folder, done, progress)
        loss = float(done.losses.mean())
        done.history.append(_finished(fabric, network, plan, done.epoch + 1, loss, on_epoch))
        done.step, done.losses = 0, _no_losses(fabric, steps)
        if best_epoch(done.history, plan.best_by) is done.history[-1]:
            _write(fabric, folder / BEST, lambda: _weights(network))
        _save_last(fabric, network, optimizer, plan, folder, done)
        yield done.history[-1]


def best_epoch(history: list[Epoch], metric: str) -> Epoch:
    """Return the first trained epoch with the largest value of ``metric``.

    Raises:
        InvalidInput: No epoch was trained, or it has no such metric.
    """
    if len(history) < 2 or any(metric not in epoch.metrics for epoch in history[1:]):
        raise InvalidInput(f"metric={shown(metric)}: none of {max(len(history) - 1, 0)} trained epochs has all of it")
    return max(history[1:], key=lambda epoch: epoch.metrics[metric])


def best_weights(fabric: Fabric, folder: Path) -> bytes:
    """Return the weights of the best epoch of the training in ``folder``, in the format of safetensors.

    Raises:
        InvalidInput: No epoch is finished.
    """
    require_path(folder=folder)
    content = _read(fabric, folder / BEST)
    if content is None:
        raise InvalidInput(f"{folder / BEST} is missing: no epoch is finished")
    return content


def half_precision_weights(network: nn.Module) -> bytes:
    """Return the weights and buffers of ``network`` in the format of safetensors, floating-point ones as float16.

    Each is then off by up to a two-thousandth of itself; :func:`load_weights` reads them.
    """
    require_type(nn.Module, network=network)
    state = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    return safetensors.torch.save({name: v.half() if v.is_floating_point() else v for name, v in state.items()})


def load_weights(network: nn.Module, weights: bytes) -> None:
    """Give ``network`` the ``weights`` of :func:`best_weights` or :func:`half_precision_weights`.

    Raises:
        InvalidInput: They are damaged, or do not fit the network.
    """
    require_type(nn.Module, network=network)
    require_type(bytes, weights=weights)
    try:
        network.load_state_dict(safetensors.torch.load(weights))
    except (RuntimeError, safetensors.SafetensorError) as error:
        raise InvalidInput(f"the weights do not fit the network: {_shortened(error)}") from error


def evaluate(fabric: Fabric, network: nn.Module, batches: Batches, metrics: MetricCollection) -> dict[str, float]:
    """Return the metrics of ``network`` in eval mode on one pass over ``batches``, spread over all processes."""
    require_type(nn.Module, network=network)
    _require_metrics(metrics)
    metrics.to(fabric.device).reset()
    with _mode(network, training=False), torch.no_grad(), fabric.autocast():
        for images, targets in batches.epoch(0, fabric.global_rank, fabric.world_size, fabric.device):
            if len(images):  # a last step may be too small for all processes
                with _naming_batch(images, "evaluation"):
                    metrics.update(network(images), targets)
    return {name: float(value) for name, value in metrics.compute().items()}


def _require_metrics(metrics: Any) -> None:
    with extra("training"):
        from torchmetrics import MetricCollection  # here, too: it takes seconds

    require_type(MetricCollection, metrics=metrics)


def calibrate(network: nn.Module, batches: Batches, count: int, device: torch.device) -> None:
    """Set the running statistics of batch norm to their plain average over the first ``count`` batches.

    Raises:
        InvalidInput: There is no batch; and as :func:`erf.training.calibrate_batch_norm_`.
    """
    require_whole(count=count)
    some = (images for _, (images, _targets) in zip(range(count), batches.epoch(0, device=device), strict=False))
    first = next(some, None)
    if first is None:
        raise InvalidInput("there is no batch to average batch norm's statistics over")
    with _naming_batch(first, "calibration"):
        calibrate_batch_norm_(network, chain([first], some))


def _train_epoch(
    fabric: Fabric, model: Any, network: nn.Module, optimizer: Any, plan: Plan, folder: Path, done: _Progress,
    progress: Callable[[Iterator, str, int], Iterable],
) -> None:  # fmt: skip
    """Go through the rest of an epoch's batches; the losses of all its steps are then in ``done``."""
    epoch, first, rank = done.epoch, done.step, fabric.global_rank
    steps = done.losses.shape[1]
    losses = done.losses[rank].to(fabric.device)
    batches = plan.batches.epoch(epoch, rank, fabric.world_size, fabric.device, first)
    shown = progress(batches, f"epoch {epoch + 1} of {plan.epochs}", steps - first)
    with _mode(network, training=True), torch.random.fork_rng(_generators(fabric.device)):
        for step, (images, targets) in enumerate(shown, first):
            torch.manual_seed(derive(plan.seed, epoch, step, rank))
            for group in optimizer.param_groups:
                group["lr"] = plan.learning_rate(epoch * steps + step)
            with _naming_batch(images, f"epoch {epoch + 1}, step {step + 1} of {steps}"):
                losses[step] = training_step(fabric, model, optimizer, plan.loss, images, targets, plan.accumulate)
            done.step = step + 1
            if done.step % plan.checkpoint_steps == 0 or done.step == steps:
                done.losses = _checked_losses(fabric, losses, done, folder)
                if done.step < steps:
                    _save_last(fabric, network, optimizer, plan, folder, done)
    _share_buffers(fabric, network)


def training_step(
    fabric: Fabric, model: nn.Module, optimizer: torch.optim.Optimizer, loss: Loss, images: Tensor, targets: Tensor,
    accumulate: int = 1,
) -> Tensor:  # fmt: skip
    """Take one optimiser step on a batch, which goes through the network in ``accumulate`` parts; return its loss."""
    require_whole(accumulate=accumulate)
    total = torch.zeros((), device=images.device)
    parts = list(zip(images.chunk(accumulate), targets.chunk(accumulate), strict=True))
    for index, (some, theirs) in enumerate(parts):
        with fabric.no_backward_sync(model, enabled=index < len(parts) - 1):  # pyright: ignore[reportArgumentType]
            share = loss(model(some), theirs) * (len(some) / len(images))
            fabric.backward(share)
        total += share.detach()
    optimizer.step()
    optimizer.zero_grad()
    return total


def _checked_losses(fabric: Fabric, losses: Tensor, done: _Progress, folder: Path) -> Tensor:
    """Return the losses of all processes, ``[world_size, steps]``."""
    mine = torch.zeros(fabric.world_size, len(losses), device=losses.device)
    mine[fabric.global_rank] = losses
    everyone: Any = fabric.all_reduce(mine, reduce_op="sum")
    finite = everyone.isfinite().all(0)
    if not finite.all():
        step = int((~finite).nonzero()[0])
        raise Diverged(
            f"the loss is not finite in epoch {done.epoch + 1}, step {step + 1} of {len(losses)}; a lower learning "
            f"rate may help; {folder / LAST} is the training as it was before"
        )
    return everyone.cpu()


def _finished(
    fabric: Fabric, network: nn.Module, plan: Plan, number: int, loss: float | None, on_epoch: OnEpoch
) -> Epoch:
    metrics = evaluate(fabric, network, plan.validation, plan.metrics)
    measured = dict(on_epoch(network, number)) if fabric.is_global_zero else {}
    return Epoch(number, loss, metrics, measured)


def _no_losses(fabric: Fabric, steps: int) -> Tensor:
    return torch.zeros(fabric.world_size, steps)


def _share_buffers(fabric: Fabric, network: nn.Module) -> None:
    """Give all processes the running statistics of process 0."""
    if fabric.world_size > 1:
        for buffer in network.buffers():
            buffer.copy_(fabric.broadcast(buffer))


def _weights(network: nn.Module) -> bytes:
    return safetensors.torch.save({name: value.cpu().contiguous() for name, value in network.state_dict().items()})


def _save_last(fabric: Fabric, network: Any, optimizer: Any, plan: Plan, folder: Path, done: _Progress) -> None:
    def content() -> bytes:
        file = io.BytesIO()
        progress = {"step": done.step, "losses": done.losses, "history": [asdict(epoch) for epoch in done.history]}
        states = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save({"settings": _settings(fabric, plan)} | progress | states, file)
        return file.getvalue()

    _write(fabric, folder / LAST, content)


def _write(fabric: Fabric, path: Path, content: Callable[[], bytes]) -> None:
    if fabric.is_global_zero:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, content())


def _read(fabric: Fabric, path: Path) -> bytes | None:
    """Return what is in the file, or None where there is none; only process 0 need see it."""
    content = path.read_bytes() if fabric.is_global_zero and path.exists() else None
    return fabric.broadcast(content)


def _settings(fabric: Fabric, plan: Plan) -> dict[str, Plain]:
    own: dict[str, Plain] = {"processes": fabric.world_size, "steps": plan.batches.steps(fabric.world_size)}
    return own | {"epochs": plan.epochs, "accumulate": plan.accumulate} | dict(plan.settings)


def _resumed(fabric: Fabric, network: nn.Module, optimizer: Any, plan: Plan, folder: Path) -> _Progress | None:
    """Put network and optimiser back to the last checkpoint and return how far it is; None where there is none."""
    path = folder / LAST
    content = _read(fabric, path)
    if content is None:
        return None
    found = _decoded(content, path)
    _require_same(respelled(found["settings"]), _settings(fabric, plan), path)
    try:
        network.load_state_dict(found["network"])
    except RuntimeError as error:
        raise InvalidInput(f"{path} does not fit the network: {_shortened(error)}") from error
    optimizer.load_state_dict(found["optimizer"])
    return _Progress([Epoch(**epoch) for epoch in found["history"]], found["step"], found["losses"])


def _decoded(content: bytes, path: Path) -> dict[str, Any]:
    try:
        found = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InvalidInput(f"{path} is damaged: {_shortened(error)}; without it training starts anew") from error
    if not isinstance(found, dict) or not {"settings", "step", "losses", "history", "network", "optimizer"} <= {*found}:
        raise InvalidInput(f"{path} is not the checkpoint of a training")
    return found


def _require_same(theirs: Mapping[str, Plain], ours: Mapping[str, Plain], path: Path) -> None:
    keys = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
    if keys:
        differing = ", ".join(f"{key}={theirs.get(key)} there, {ours.get(key)} here" for key in keys)
        raise InvalidInput(f"{path} is of another training: {differing}; it goes on with the same settings only")


@contextmanager
def _mode(network: nn.Module, training: bool) -> Iterator[None]:
    before = {module: module.training for module in network.modules()}
    network.train(training)
    try:
        yield
    finally:
        for module, mode in before.items():
            module.training = mode


def _generators(device: torch.device) -> list[torch.device]:
    """Return the devices besides the CPU whose random state a step may change."""
    return [device] if device.type == "cuda" else []


@contextmanager
def _naming_batch(images: Tensor, where: str) -> Iterator[None]:
    """Turn running out of memory into one line that names the batch."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        size = " x ".join(map(str, images.shape[2:]))
        raise InvalidInput(
            f"out of memory in {where}: a batch of {len(images)} images of {size}; a smaller batch_size needs less, a "
            "larger accumulate too, with the same result"
        ) from error


def _shortened(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
