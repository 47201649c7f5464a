"""Trainings made up of numbers, to be gathered: sizes by epoch of a start and seed, in the frame of a real record."""

from dataclasses import replace
from functools import cache

import numpy as np

from erf.networks.start import Start
from experiments.camvid import experiment as camvid
from experiments.cifar10 import experiment as cifar10
from experiments.harness.reference import reference
from experiments.trainings.growth_result import Measures, Moment

METRIC = {camvid.Result: "mean_iou", cifar10.Result: "accuracy"}


@cache
def frame(kind):
    return reference(kind.__module__.split(".")[1], kind)


def measures(size, half_height):
    interval = (size - 1, size + 1)
    return Measures(
        averaged_size=size, averaged_size_interval=interval, half_height_size=half_height,
        half_height_size_interval=interval, r50=0.3 * size, r95=0.7 * size, sigma=(0.2 * size, 0.3 * size),
        mean_square_size=0.9 * size, mean_square_sigma=(0.1 * size, 0.15 * size),
    )  # fmt: skip


def moment(kind, epoch, size, validation, half_height):
    told = {METRIC[kind]: validation}
    if size is None:
        return Moment(epoch, 1.0, told, None, None, None)
    return Moment(epoch, 1.0, told, size + 0.5, (size, size + 1), 0.25 * size, measures(size, half_height))


def training(kind, start=Start.unit_gain, seed=0, sizes=(200.0, None, 160.0), half_heights=None, best=0.5, **settings):
    """Return a result whose best epoch is the last; its raw count of pixels is its averaged size and 0.5."""
    gain = 0.16 if start is Start.small_gain else None
    config = replace(frame(kind).config, start=start, gain=gain, seed=seed, **settings)
    last = len(sizes) - 1
    half_heights = half_heights or [size and size / 3 for size in sizes]
    points = zip(sizes, half_heights, strict=True)
    trajectory = tuple(
        moment(kind, i, size, best * (0.5 + i / last / 2), half) for i, (size, half) in enumerate(points)
    )
    rows, columns = np.indices((8, 8)) - 4.0
    units = [
        np.exp(-(rows**2 + columns**2) / (2 * (size / sizes[0]) ** 2))[None].astype(np.float16)
        for size in (sizes[0], sizes[-1])
    ]
    return replace(
        frame(kind), config=config, trajectory=trajectory, best_epoch=last, fresh=measures(0.4 * sizes[0], 10.0),
        arrays={"units/before": units[0], "units/after": units[1]}, **tested(kind, best),
    )  # fmt: skip


def tested(kind, metric):
    return {"mean_iou": metric - 0.01} if kind is camvid.Result else {"test_accuracy": metric - 0.01}
