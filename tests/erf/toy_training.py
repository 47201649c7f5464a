"""A training small enough to be run again and again; its functions can be sent to other processes."""

from pathlib import Path

import torch
from torch import nn
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from erf.training.checkpoints import LAST
from erf.training.learning_rate import Schedule
from erf.training.loop import train
from erf.training.plan import Plan

EPOCHS, STEPS, BATCH = 3, 5, 8


class Stopped(BaseException):
    """Like KeyboardInterrupt, at a chosen moment."""


class ToyBatches:
    """Images whose class is the sign of their mean, in an order that depends on the epoch alone."""

    def __init__(self, images=STEPS * BATCH, batch_size=BATCH, seed=0, stop_before=None, dtype=torch.float32):
        generator = torch.Generator().manual_seed(seed)
        self.images = torch.randn(images, 3, 6, 6, generator=generator, dtype=dtype)
        self.labels = (self.images.mean((1, 2, 3)) > 0).long()
        self.images += (0.3 * (2 * self.labels - 1))[:, None, None, None]
        self.batch_size, self.stop_before = batch_size, stop_before

    def steps(self, world_size=1):
        return len(self.images) // (self.batch_size * world_size)

    def epoch(self, epoch, rank=0, world_size=1, device="cpu", start_step=0):
        order = torch.randperm(len(self.images), generator=torch.Generator().manual_seed(epoch))
        stride = self.batch_size * world_size
        for step in range(start_step, self.steps(world_size)):
            if (epoch, step) == self.stop_before:
                raise Stopped
            part = order[step * stride : (step + 1) * stride].tensor_split(world_size)[rank]
            yield self.images[part].to(device), self.labels[part].to(device)


def toy_network(batch_norm=True, dtype=torch.float32):
    """With batch norm, statistics to keep; with dropout, random numbers in each step."""
    torch.manual_seed(0)
    others = [nn.BatchNorm2d(8), nn.Dropout(0.2)] if batch_norm else []
    head = [nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)]
    return nn.Sequential(nn.Conv2d(3, 8, 3), *others, *head).to(dtype)


def sgd(network):
    return torch.optim.SGD(network.parameters(), 1.0, momentum=0.9, nesterov=True, weight_decay=1e-3)


def accuracy():
    return MetricCollection({"accuracy": MulticlassAccuracy(2, average="micro")})


def learning_rate(step):
    return Schedule.one_cycle.learning_rate(step, EPOCHS * STEPS, 0.2)


def toy_plan(**changes):
    settings = {
        "batches": ToyBatches(),
        "validation": ToyBatches(seed=1),
        "loss": nn.CrossEntropyLoss(label_smoothing=0.1),
        "metrics": accuracy(),
        "best_by": "accuracy",
        "learning_rate": learning_rate,
        "epochs": EPOCHS,
        "checkpoint_steps": 2,
    }
    return Plan(**settings | changes)


def run_toy(fabric, folder, network=None, on_epoch=lambda network, epoch: {"seen": epoch}, **changes):
    """Return the network and the history of a training in ``folder``."""
    network = toy_network() if network is None else network
    history = list(train(fabric, network, sgd(network), toy_plan(**changes), Path(folder), on_epoch))
    return network, history


def weights(network):
    """Return parameters and buffers in one tensor."""
    return torch.cat([value.double().flatten() for value in network.state_dict().values()])


def checkpoint(folder):
    """Return what the last checkpoint holds, in one comparable value: plain numbers, and all tensors' numbers."""
    return _plain(torch.load(Path(folder) / LAST, weights_only=True))


def _plain(tree):
    if isinstance(tree, torch.Tensor):
        return tree.tolist()
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    return [_plain(value) for value in tree] if isinstance(tree, list | tuple) else tree


def in_two_processes(fabric, folder):
    """Train in several ways; return what process 0 knows, and whether the others have the same."""
    network, history = run_toy(fabric, folder / "whole", batches=ToyBatches(batch_size=BATCH // 2))
    outcome: dict = {"weights": weights(network).tolist(), "history": history, "same": _same(fabric, weights(network))}

    stopped = {"batches": ToyBatches(batch_size=BATCH // 2, stop_before=(1, 3))}
    try:
        run_toy(fabric, folder / "resumed", **stopped)
    except Stopped:
        network, outcome["resumed_history"] = run_toy(
            fabric, folder / "resumed", batches=ToyBatches(batch_size=BATCH // 2)
        )
        outcome["resumed"] = weights(network).tolist()

    exact = toy_network(batch_norm=False, dtype=torch.float64)
    batches = ToyBatches(batch_size=BATCH // 2, dtype=torch.float64)
    validation = ToyBatches(images=12, batch_size=3, seed=1, dtype=torch.float64)
    _, outcome["exact_history"] = run_toy(fabric, folder / "exact", exact, batches=batches, validation=validation)
    outcome["exact"], outcome["exact_same"] = weights(exact).tolist(), _same(fabric, weights(exact))
    return outcome


def _same(fabric, values):
    total = fabric.all_reduce(values.clone(), reduce_op="sum")
    return torch.equal(total, values * fabric.world_size)
