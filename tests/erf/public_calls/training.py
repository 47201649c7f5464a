"""Calls of what trains a network."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

import erf
from erf import training
from erf.training import batch_norm, checkpoints
from tests.erf.public_calls.call import Call, Kind, refused
from tests.erf.public_calls.refused_values import (
    CHOICE,
    FINITE,
    IMAGES,
    MEASURED,
    NAN,
    NETWORK,
    NO_IMAGES,
    PATH,
    WHOLE,
    WHOLE_0,
)
from tests.erf.public_calls.valid import conv, fabric, images, normed, with_buffer
from tests.erf.toy_training import accuracy, sgd, toy_network, toy_plan

EPOCHS = [training.Epoch(number, None, {"accuracy": 0.5}, {}) for number in range(3)]


class NoBatches:
    """Passes without a batch."""

    def steps(self, world_size: int = 1) -> int:
        return 0

    def epoch(self, *_: Any, **__: Any) -> Any:
        return iter(())


def weights_folder() -> Path:
    folder = Path("finished")
    folder.mkdir(exist_ok=True)
    (folder / checkpoints.BEST).write_bytes(checkpoints.weights_of(conv()))
    return folder


def stepping() -> dict[str, Any]:
    model, optimizer = (here := fabric()).setup(net := toy_network(), sgd(net))
    return {"fabric": here, "model": model, "optimizer": optimizer, "loss": nn.CrossEntropyLoss()}


CALLS: dict[str, Call] = {
    "erf.training.erf_during_training.ErfTracker": Call(
        erf.ErfTracker,
        lambda: {"images": images()},
        {"images": IMAGES, "statistic": CHOICE, "reference": CHOICE},
        free="layer unit aggregation",  # measure checks them, which is given the network
    ),
    "erf.training.erf_during_training.ErfTracker.measure": Call(
        erf.ErfTracker(images()).measure,
        lambda: {"network": conv(), "epoch": 0},
        {"network": MEASURED, "epoch": WHOLE_0},
    ),
    "erf.training.batch_norm.calibrate_batch_norm_": Call(
        batch_norm.calibrate_batch_norm_,
        lambda: {"network": normed(), "images": images()},
        {"network": refused(None, normed(NAN), with_buffer(NAN, nn.BatchNorm2d(2)), words="network|parameter|buffer")}
        | {"images": Kind([*NO_IMAGES, [], [images(), images() * NAN]], "image|Tensor|batch")},
    ),
    "erf.training.plan.Plan": Call(
        lambda **changes: toy_plan(**changes),
        dict,
        {"best_by": refused(None, 3), "epochs": WHOLE, "seed": WHOLE_0}
        | {"accumulate": WHOLE, "calibration": WHOLE, "checkpoint_steps": WHOLE},
        free="batches validation loss metrics learning_rate settings",
    ),
    "erf.training.plan.Epoch": Call(
        training.Epoch,
        lambda: {"number": 0, "loss": None, "metrics": {}, "measured": {}},
        {"number": WHOLE_0, "loss": FINITE},
        free="metrics measured",
    ),
    "erf.training.processes.make_fabric": Call(
        training.make_fabric,
        lambda: {"device": torch.device("cpu")},
        {"device": refused("cpu", None), "processes": WHOLE, "precision": CHOICE},
    ),
    "erf.training.processes.launch": Call(
        training.launch, lambda: {"fabric": fabric(), "function": lambda _: 1}, {}, free="fabric function arguments"
    ),
    "erf.training.loop.train": Call(
        lambda **arguments: next(training.train(**arguments)),
        lambda: (
            {"fabric": fabric(), "network": (net := toy_network()), "optimizer": sgd(net), "plan": toy_plan()}
            | {"folder": Path("training")}
        ),
        {
            "network": refused(None, "net"),
            "optimizer": refused(None),
            "plan": refused(None, {}, toy_plan(metrics=None), words="plan|metrics"),
            "folder": PATH,
        },
        free="fabric on_epoch progress",
    ),
    "erf.training.plan.best_epoch": Call(
        training.best_epoch,
        lambda: {"history": EPOCHS, "metric": "accuracy"},
        {"history": refused([], EPOCHS[:1], words="epoch"), "metric": refused("", "typo", None)},
    ),
    "erf.training.checkpoints.half_precision_weights": Call(
        checkpoints.half_precision_weights, lambda: {"network": normed()}, {"network": refused(None, "network")}
    ),
    "erf.training.checkpoints.best_weights": Call(
        training.best_weights, lambda: {"fabric": fabric(), "folder": weights_folder()}, {"folder": PATH}, free="fabric"
    ),
    "erf.training.checkpoints.load_weights": Call(
        training.load_weights,
        lambda: {"network": conv(), "weights": checkpoints.weights_of(conv())},
        {"network": NETWORK, "weights": refused(None, "best.safetensors", b"", b"x", checkpoints.weights_of(normed()))},
    ),
    "erf.training.loop.evaluate": Call(
        training.evaluate,
        lambda: {"fabric": fabric(), "network": toy_network(), "batches": toy_plan().validation, "metrics": accuracy()},
        {"network": NETWORK, "metrics": refused(None, "accuracy")},
        free="fabric batches",
    ),
    "erf.training.loop.calibrate": Call(
        training.calibrate,
        lambda: {"network": toy_network(), "batches": toy_plan().batches, "count": 2, "device": torch.device("cpu")},
        {"network": NETWORK, "count": WHOLE, "batches": refused(NoBatches(), words="no batch")},
        free="device",
    ),
    "erf.training.loop.training_step": Call(
        training.training_step,
        lambda: stepping() | {"images": images(2, 3, 6, 6), "targets": torch.tensor([0, 1])},
        {"accumulate": WHOLE},
        free="fabric model optimizer loss images targets",  # the innermost step, which train calls with what it checked
    ),
}
