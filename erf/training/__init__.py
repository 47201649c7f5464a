"""Training with the ERF followed: the loop, learning rates, batch-norm calibration (section 3.2 of the paper)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from erf.training.batch_norm import calibrate_batch_norm_
from erf.training.erf_during_training import ErfTracker
from erf.training.learning_rate import Schedule

if TYPE_CHECKING:
    from erf.training.checkpoints import best_weights, load_weights
    from erf.training.loop import Diverged, calibrate, evaluate, train, training_step
    from erf.training.plan import Batches, Epoch, Plan, best_epoch
    from erf.training.processes import Precision, launch, make_fabric

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
        modules = (import_module(f"erf.training.{each}") for each in ("loop", "plan", "processes", "checkpoints"))
        return next(vars(module)[name] for module in modules if name in vars(module))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
