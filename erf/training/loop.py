"""Training in one plain loop over Lightning Fabric, which goes on bit by bit where it was stopped (section 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from erf.arguments import as_path, require_callable, require_type, require_values, require_whole, shown
from erf.arguments.device import named_device
from erf.errors import InvalidInput, extra, is_out_of_memory, one_line
from erf.seeds import derive
from erf.training.batch_norm import calibrate_batch_norm_
from erf.training.checkpoints import BEST, LAST, Progress, resumed, save_last, weights_of, write_checkpoint
from erf.training.plan import Batches, Epoch, Loss, Plan, best_epoch, require_batches
from erf.training.processes import require_fabric

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torchmetrics import MetricCollection

OnEpoch = Callable[[nn.Module, int], Mapping[str, float]]


class Diverged(InvalidInput):
    """The loss is not finite: the training has ended, at the last checkpoint before."""


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
    require_fabric(fabric)
    require_type(nn.Module, network=network)
    require_type(torch.optim.Optimizer, optimizer=optimizer)
    require_type(Plan, plan=plan)
    _require_metrics(plan.metrics)
    require_callable(on_epoch=on_epoch, progress=progress)
    folder = as_path(folder=folder)
    _require_place(folder)
    require_values(network=network)
    for name, values in chain(network.named_parameters(), network.named_buffers()):
        if values.ndim == 5:  # which has no memory format channels_last
            raise InvalidInput(f"{name!r} of the network is {shown(values)}; allowed are networks of images")
    model, optimizer = fabric.setup(network.to(memory_format=torch.channels_last), optimizer)
    plan.metrics.to(fabric.device)
    steps = plan.batches.steps(fabric.world_size)
    done = resumed(fabric, network, optimizer, plan, folder)
    if done is None:
        calibrate(network, plan.batches, plan.calibration, fabric.device)
        done = Progress([_finished(fabric, network, plan, 0, None, on_epoch)], 0, _no_losses(fabric, steps))
        save_last(fabric, network, optimizer, plan, folder, done)
    yield from done.history
    while done.epoch < plan.epochs:
        _train_epoch(fabric, model, network, optimizer, plan, folder, done, progress)
        loss = float(done.losses.mean())
        done.history.append(_finished(fabric, network, plan, done.epoch + 1, loss, on_epoch))
        done.step, done.losses = 0, _no_losses(fabric, steps)
        if best_epoch(done.history, plan.best_by) is done.history[-1]:
            write_checkpoint(fabric, folder / BEST, lambda: weights_of(network))
        save_last(fabric, network, optimizer, plan, folder, done)
        yield done.history[-1]


def _require_place(folder: Path) -> None:
    """Raise InvalidInput where something that is no folder lies at a folder's path, or above it."""
    for path in (folder, *folder.parents):
        if path.exists():
            if not path.is_dir():
                raise InvalidInput(f"folder={shown(folder)}: {path} is no folder")
            return


def evaluate(fabric: Fabric, network: nn.Module, batches: Batches, metrics: MetricCollection) -> dict[str, float]:
    """Return the metrics of ``network`` in eval mode on one pass over ``batches``, spread over all processes.

    Raises:
        InvalidInput: An argument is of another kind, or the network or the metrics fail on a batch.
    """
    require_fabric(fabric)
    require_type(nn.Module, network=network)
    require_batches(batches=batches)
    _require_metrics(metrics)
    metrics.to(fabric.device).reset()
    with _mode(network, training=False), torch.no_grad(), fabric.autocast():
        for images, targets in batches.epoch(0, fabric.global_rank, fabric.world_size, fabric.device):
            if len(images):  # a last step may be too small for all processes
                with _naming_batch(images, "evaluation"), _fitting(images):
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
    require_type(nn.Module, network=network)
    require_whole(count=count)
    require_batches(batches=batches)
    device = named_device(device)
    some = (images for _, (images, _targets) in zip(range(count), batches.epoch(0, device=device), strict=False))
    first = next(some, None)
    if first is None:
        raise InvalidInput("there is no batch to average batch norm's statistics over")
    with _naming_batch(first, "calibration"):
        calibrate_batch_norm_(network, chain([first], some))


def _train_epoch(
    fabric: Fabric, model: Any, network: nn.Module, optimizer: Any, plan: Plan, folder: Path, done: Progress,
    progress: Callable[[Iterator, str, int], Iterable],
) -> None:  # fmt: skip
    """Go through the rest of an epoch's batches; the losses of all its steps are then in ``done``."""
    epoch, first, rank = done.epoch, done.step, fabric.global_rank
    steps = done.losses.shape[1]
    losses = done.losses[rank].to(fabric.device)
    batches = plan.batches.epoch(epoch, rank, fabric.world_size, fabric.device, first)
    batches = progress(batches, f"epoch {epoch + 1} of {plan.epochs}", steps - first)
    gpus = [fabric.device] if fabric.device.type == "cuda" else []  # whose random state a step may change, too
    with _mode(network, training=True), torch.random.fork_rng(gpus):
        for step, (images, targets) in enumerate(batches, first):
            torch.manual_seed(derive(plan.seed, epoch, step, rank))
            for group in optimizer.param_groups:
                group["lr"] = plan.learning_rate(epoch * steps + step)
            with _naming_batch(images, f"epoch {epoch + 1}, step {step + 1} of {steps}"):
                losses[step] = training_step(fabric, model, optimizer, plan.loss, images, targets, plan.accumulate)
            done.step = step + 1
            if done.step % plan.checkpoint_steps == 0 or done.step == steps:
                done.losses = _checked_losses(fabric, losses, done, folder)
                if done.step < steps:
                    save_last(fabric, network, optimizer, plan, folder, done)
    _share_buffers(fabric, network)


def training_step(
    fabric: Fabric, model: nn.Module, optimizer: torch.optim.Optimizer, loss: Loss, images: Tensor, targets: Tensor,
    accumulate: int = 1,
) -> Tensor:  # fmt: skip
    """Take one optimiser step on a batch, which goes through the network in ``accumulate`` parts; return its loss."""
    require_fabric(fabric)
    _require_set_up(model)
    require_type(torch.optim.Optimizer, optimizer=optimizer)
    require_type(Tensor, images=images, targets=targets)
    require_callable(loss=loss)
    require_whole(accumulate=accumulate)
    total = torch.zeros((), device=images.device)
    parts = list(zip(images.chunk(accumulate), targets.chunk(accumulate), strict=True))
    for index, (part, part_targets) in enumerate(parts):
        with fabric.no_backward_sync(model, enabled=index < len(parts) - 1):  # pyright: ignore[reportArgumentType]
            share = loss(model(part), part_targets) * (len(part) / len(images))
            fabric.backward(share)
        total += share.detach()
    optimizer.step()
    optimizer.zero_grad()
    return total


def _require_set_up(model: Any) -> None:
    with extra("training"):
        from lightning_fabric import is_wrapped  # here, too

    require_type(nn.Module, model=model)
    if not is_wrapped(model):
        raise InvalidInput(f"model={shown(model)}: allowed is what fabric.setup returns")


def _checked_losses(fabric: Fabric, losses: Tensor, done: Progress, folder: Path) -> Tensor:
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


@contextmanager
def _mode(network: nn.Module, training: bool) -> Iterator[None]:
    before = {module: module.training for module in network.modules()}
    network.train(training)
    try:
        yield
    finally:
        for module, mode in before.items():
            module.training = mode


@contextmanager
def _fitting(images: Tensor) -> Iterator[None]:
    """Turn what a network, or its metrics, raise on a batch into one line; the error itself is its cause."""
    try:
        yield
    except InvalidInput:
        raise
    except Exception as error:  # a user's forward may raise anything
        if is_out_of_memory(error):
            raise
        said = one_line(error) or type(error).__name__
        raise InvalidInput(f"the network, or its metrics, fail on images {list(images.shape)}: {said}") from error


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
