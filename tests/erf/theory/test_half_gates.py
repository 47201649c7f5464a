"""What approximate rules cost is what docs/theory.md and the diagnostics say."""

import copy
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import erf
from erf.theory.gates import AT_A_DISTANCE, BELOW_A_FILTER, NOT_SYMMETRIC, OF_CHOICES, OF_IMAGES
from experiments.expected_maps.experiment import Result, Way
from experiments.expected_maps.networks import draw_weights_
from experiments.expected_maps.toys import UNet, Upsampling
from experiments.harness.reference import reference
from tests.erf.theory.tiny_networks import Residual

PAGE = Path(__file__).parents[3] / "docs" / "theory.md"
WIDTH, DRAWS = 16, 100


def conv(inputs=WIDTH):
    return nn.Conv2d(inputs, WIDTH, 3, padding=1)


def repeated(times, *stage):
    """Return a stage several times, with weights of its own each time."""
    return [copy.deepcopy(module) for _ in range(times) for module in stage]


def max_pools():
    stages = repeated(2, conv(), nn.ReLU(), conv(), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(conv(3), nn.ReLU(), *stages, conv())


def sums():
    return nn.Sequential(conv(3), nn.ReLU(), *repeated(4, Residual(conv(), nn.ReLU(), conv()), nn.ReLU()), conv())


def average_pools():
    return nn.Sequential(conv(3), *repeated(3, nn.AvgPool2d(3, 1, 1), conv(), nn.ReLU(), conv()))


def gray():
    return nn.Sequential(conv(1), nn.ReLU(), *repeated(3, conv(), nn.ReLU()), nn.AvgPool2d(3, 1, 1), conv())


NETWORKS = {
    "two max pools": (max_pools, 40, None),
    "4 residual blocks, ReLU after the sum": (sums, 32, None),
    "3 average pools of stride 1, ReLU between": (average_pools, 32, None),
    "U-Net, max pools, transposed convolutions": (lambda: UNet(WIDTH), 64, "up.2.0"),
    "U-Net, max pools, bilinear": (lambda: UNet(WIDTH, upsampling=Upsampling.bilinear), 64, "up.2.0"),
    "4 convolutions with ReLU below an average pool, images of 1 channel": (gray, 24, None),
}


def measured(name, draws=DRAWS):
    """Return how far sigma is off (in %), its standard error, and the expected sum over that of the draws."""
    make, side, layer = NETWORKS[name]
    network, generator = make().eval(), torch.Generator().manual_seed(0)
    channels = next(module for module in network.modules() if isinstance(module, nn.Conv2d)).in_channels
    maps = []
    for draw in range(draws):
        draw_weights_(network, 2.0, generator)
        image = torch.randn(1, channels, side, side, generator=generator)
        maps.append(erf.effective_receptive_field(network, image, layer, statistic="mean_square", seed=draw))
    half = erf.theory.expected_map(network, side, layer, gates="half")
    values = np.stack([imap.values for imap in maps])

    def sigma(some):
        return np.sqrt(np.mean(np.square(erf.map_moments(replace(maps[0], values=some.mean(0))).sigma)))

    resamples = np.random.default_rng(0).integers(0, draws, (100, draws))
    error = np.std([sigma(values[some]) for some in resamples]) / sigma(values)
    return 100 * (sigma(half.values[None]) / sigma(values) - 1), 100 * error, half.values.sum() / values.mean(0).sum()


def test_gates_of_images_cost_what_the_record_of_expected_maps_says():
    stages = reference("expected_maps", Result).stages
    off = max(abs(stage.error) for stage in stages if stage.way is Way.as_it_is and stage.findings)
    assert f"up to {math.ceil(100 * off)} % off" in OF_IMAGES


def row_of(name):
    """Return how far sigma is off (in %), and the share that the expected sum is of the measured one."""
    row = re.search(rf"(?m)^\| {re.escape(name)} \| (\S+) % \| (\S+) \|$", PAGE.read_text())
    assert row, name
    return float(row[1]), float(row[2])


@pytest.mark.parametrize(
    ("sentence", "name", "size"),
    [
        (OF_CHOICES, "U-Net, max pools, transposed convolutions", "{:.0f} % too small in a U-Net"),
        (NOT_SYMMETRIC, "4 residual blocks, ReLU after the sum", "sigma was found {:.0f} % too large"),
        (AT_A_DISTANCE, "3 average pools of stride 1, ReLU between", "sigma was found {:.0f} % too large"),
        (AT_A_DISTANCE, "U-Net, max pools, bilinear", "{:.0f} % too small"),
        (BELOW_A_FILTER, list(NETWORKS)[-1], "up to {:.0f} % too large"),
    ],
)
def test_diagnostics_say_what_the_page_says(sentence, name, size):
    assert size.format(abs(row_of(name)[0])) in sentence


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_half_gates_are_as_far_off_as_the_page_says(name):
    """Within 4 standard errors of another set of draws, and a third for sums, which scatter more."""
    off, error, total = measured(name)
    on_page, total_on_page = row_of(name)
    assert abs(off - on_page) < 4 * np.sqrt(2) * error
    assert total == pytest.approx(total_on_page, rel=1 / 3)
