"""An expected map against the mean over fresh weights, of as many draws as make that mean accurate to 1 %."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

import erf
from erf.seeds import generator
from experiments.expected_maps.networks import draw_weights_
from experiments.harness.environment import Environment
from scripts.benchmarks.case import Case, difference, time_in_turns

ARCHITECTURE, LAYER, SIDE = "resnet50", "layer3", 128
PILOT = 16  # draws, from whose scatter follows how many are needed
ACCURACY = 0.01  # relative L2 of the mean map
HE = 2.0

EXPECTED_CAPTION = "expected map: plain is one draw's time by the draws that 1 % takes"


def time_expected_map(repetitions: int, environment: Environment) -> Case:
    """Time the expected map, and one draw of weights with its map, times the draws that are needed.

    Raises:
        Disagreement: The expected map is further from the mean of the pilot's draws than twice that mean's error.
    """
    network = getattr(torchvision.models, ARCHITECTURE)(weights=None).eval()
    image = torch.randn(1, 3, SIDE, SIDE, generator=generator(0))
    drawn = np.stack([_draw(network, image, seed) for seed in range(PILOT)])
    expected = partial(_expected, network, image)
    draws, name = draws_needed(drawn), f"expected map of {ARCHITECTURE}, {LAYER}, {SIDE} px"
    differing = difference(name, expected(), _normalized(drawn.mean(0)), 2 * ACCURACY * math.sqrt(draws / PILOT))
    ours, of_one = time_in_turns([expected, partial(_draw, network, image, 0)], repetitions)
    case = Case.of(f"{name}, against {draws} draws", [ours, [draws * seconds for seconds in of_one]], environment)
    return replace(case, max_relative_difference=differing.of_the_peak, relative_l2=differing.relative_l2)


def draws_needed(maps: np.ndarray) -> int:
    """Return how many draws make the mean of maps ``[draws, H, W]`` accurate: their relative scatter over ACCURACY."""
    scatter = maps.var(0, ddof=1).sum() / np.square(maps.mean(0)).sum()
    return math.ceil(scatter / ACCURACY**2)


def _draw(network: nn.Module, image: Tensor, seed: int) -> np.ndarray:
    draw_weights_(network, HE, generator(seed))
    return erf.effective_receptive_field(network, image, LAYER, statistic="mean_square", seed=seed).values


def _expected(network: nn.Module, image: Tensor) -> np.ndarray:
    return _normalized(erf.theory.expected_map(network, SIDE, LAYER, images=image).values)


def _normalized(values: np.ndarray) -> np.ndarray:
    return values / values.sum()
