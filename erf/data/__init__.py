"""Images to train and measure on: CIFAR-10 and CamVid decoded into memory, folders of pictures, noise."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from erf.data.augment import FlipAndShift
from erf.data.batches import Batches
from erf.data.noise import Noise, NoiseImages
from erf.data.split import DataSet, Split

if TYPE_CHECKING:
    from erf.data.pictures import Pictures, Unreadable

__all__ = ["Batches", "DataSet", "FlipAndShift", "Noise", "NoiseImages", "Pictures", "Split", "Unreadable"]


def __getattr__(name: str) -> Any:
    """Import what decodes files where it is asked for: it alone needs the extra ``data``."""
    if name in ("Pictures", "Unreadable"):
        return getattr(import_module("erf.data.pictures"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
