"""Segmentations are judged by their mean IoU and accuracy, without void pixels."""

import numpy as np
import pytest
import torch

from erf.data import camvid as camvid_data
from experiments.camvid import experiment as camvid


def test_segmentation_is_judged_without_void_pixels():
    generator = torch.Generator().manual_seed(0)
    classes = 11
    logits = torch.randn(3, classes, 8, 9, generator=generator)
    targets = torch.randint(0, 10, (3, 8, 9), generator=generator)  # the last class is in no label
    targets[torch.rand(targets.shape, generator=generator) < 0.3] = camvid_data.VOID
    metrics = camvid.segmentation_metrics(classes)
    for one, target in zip(logits, targets, strict=True):
        metrics.update(one[None], target[None])
    values = {name: float(value) for name, value in metrics.compute().items()}

    known = (targets != camvid_data.VOID).numpy()
    guess, truth = logits.argmax(1).numpy()[known], targets.numpy()[known]
    ious = []
    for label in range(classes):
        union = ((guess == label) | (truth == label)).sum()
        if union:
            ious.append(((guess == label) & (truth == label)).sum() / union)
    assert len(ious) == classes  # the absent one is guessed somewhere
    assert values["mean_iou"] == pytest.approx(np.mean(ious))
    assert values["global_accuracy"] == pytest.approx((guess == truth).mean())
