"""Training with the ERF followed: the loop, learning rates, batch-norm calibration (section 3.2 of the paper)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from erf.training.batch_norm import calibrate_batch_norm_
from erf.training.erf_during_training import ErfTracker
from erf.training.learning_rate import Schedule

if TYPE_CHECKING:
    from erf.training.loop import (
        Batches,
        Diverged,
        Epoch,
        Plan,
        Precision,
        best_epoch,
        best_weights,
        calibrate,
        evaluate,
        launch,
        load_weights,
        make_fabric,
        train,
        training_step,
    )

__all__ = [
    "Batches",
    "Diverged",
    "Epoch",
    "ErfTracker",
    "Plan",
    "Precision",
    "Schedule",
    "best_epoch",
    "best_weights",
    "calibrate",
    "calibrate_batch_norm_",
    "evaluate",
    "launch",
    "load_weights",
    "make_fabric",
    "train",
    "training_step",
]


def __getattr__(name: str) -> Any:
    """Import the loop where it is asked for: it alone needs the extra ``training``."""
    if name in __all__:
        return getattr(import_module("erf.training.loop"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
