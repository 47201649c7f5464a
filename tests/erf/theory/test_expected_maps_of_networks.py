"""Expected maps of real networks: they reach the theoretical field, and are as wide as fresh draws of weights."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

import erf

SEGMENTATION = {"weights": None, "weights_backbone": None, "aux_loss": False}
NETWORKS = {
    "vgg16": (lambda: models.vgg16(weights=None).features, "16", 96),
    "resnet18": (lambda: models.resnet18(weights=None), "layer2", 112),
    "resnet50": (lambda: models.resnet50(weights=None), "layer2", 112),
    "densenet121": (lambda: models.densenet121(weights=None), "features.denseblock2", 112),
    "mobilenet_v2": (lambda: models.mobilenet_v2(weights=None), "features.6", 112),
    "fcn_resnet50": (lambda: models.segmentation.fcn_resnet50(**SEGMENTATION), None, 64),
}


def outputs_of(network, images):
    """Return the network's only output."""
    outputs = network(images)
    return outputs["out"] if isinstance(outputs, dict) else outputs


def drawn_(network):
    """Draw all weights anew, as He et al. do."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
    return network


def sigma_of(imap):
    return float(np.sqrt(np.trace(erf.map_moments(imap).covariance) / 2))


QUICK = ("resnet50", "mobilenet_v2")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in NETWORKS]
)
def test_what_is_expected_to_be_reached_is_the_theoretical_field(name):
    make, layer, size = NETWORKS[name]
    torch.manual_seed(0)
    network = make()
    imap = erf.theory.expected_map(network, size, layer, call=outputs_of)
    field = erf.theoretical_receptive_field(network, size, layer, call=outputs_of)
    inside = tuple((max(first, 0), min(end, size)) for first, end in field.box)
    reached = [np.flatnonzero(imap.values.any(axis)) for axis in (1, 0)]
    assert imap.trf_box == field.box
    assert tuple((int(line[0]), int(line[-1]) + 1) for line in reached) == inside


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_the_width_is_that_of_fresh_draws(name):
    """Within 2 % of sigma and 5 standard errors, over 24 draws; the gates are those of 8 of them."""
    make, layer, size = NETWORKS[name]
    torch.manual_seed(0)
    network, expected, drawn = make(), [], []
    for draw in range(24):
        images = torch.randn(2, 3, size, size)
        drawn.append(
            erf.effective_receptive_field(
                drawn_(network), images, layer, statistic="mean_square", seed=draw, call=outputs_of
            )
        )
        if draw < 8:
            expected.append(erf.theory.expected_map(network, size, layer, images=images[:1], call=outputs_of).values)
    samples = np.stack([imap.values for imap in drawn])

    def sigma(values):
        return sigma_of(erf.map_of_samples(values, "mean_square", drawn[0].trf_box, aggregation="random_sign"))

    generator = np.random.default_rng(0)
    error = np.std([sigma(samples[generator.integers(0, 24, 24)]) for _ in range(200)])
    assert abs(sigma(np.stack(expected)) - sigma(samples)) < 0.02 * sigma(samples) + 5 * error
    assert error < 0.02 * sigma(samples)
