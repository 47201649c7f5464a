"""What tells how well a network classifies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


def accuracy(classes: int) -> MetricCollection:
    """Return the share of images whose class is right, as ``accuracy``."""
    from torchmetrics import MetricCollection  # not before it is needed: it imports matplotlib
    from torchmetrics.classification import MulticlassAccuracy

    return MetricCollection({"accuracy": MulticlassAccuracy(classes, average="micro")})
