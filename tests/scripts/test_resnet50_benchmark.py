"""ResNet-50's cases at toy size: the tools agree, and each is timed against the one that its name says."""

import numpy as np
import pytest
import torch
import torchvision

from experiments.harness.environment import Environment
from scripts.benchmarks import resnet50
from scripts.benchmarks.case import Disagreement, difference
from tests.oracles.replknet import contributions


@pytest.mark.slow
def test_every_case_compares_what_its_name_says(monkeypatch):
    monkeypatch.setattr(resnet50, "resnet50", torchvision.models.resnet18)
    cases = list(
        resnet50.time_resnet50(
            64, large_images=2, small=32, small_images=2, repetitions=1, environment=Environment.now("cpu")
        )
    )
    assert [case.name for case in cases] == [
        *(f"ResNet-50, 64 px, layer{k}, 2 images, against RepLKNet's procedure" for k in range(1, 5)),
        "RepLKNet's procedure, 64 px, layer2, 2 images, against autograd.grad",
        "ResNet-50, 32 px, layer4, 2 images, against captum",
        "ResNet-50, 32 px, layer4, 2 images, against OpenERF",
        "ResNet-50, 32 px, layer1 layer2 layer3 layer4, 2 images, against OpenERF",
    ]
    for case in cases:
        assert case.ratio == pytest.approx(case.theirs_seconds / case.ours_seconds)
        assert (case.limit_ratio is None) == ("OpenERF" in case.name or "autograd" in case.name)
        assert 0 <= case.max_relative_difference < (1e-1 if "OpenERF" in case.name else 1e-12)


def test_the_procedure_is_that_of_the_oracle():
    network = resnet50.drawn_resnet50().double()
    images = torch.randn(2, 3, 33, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def layer1(x):
        return network.layer1(network.maxpool(network.relu(network.bn1(network.conv1(x)))))

    expected = contributions(layer1, images)
    for procedure in (resnet50.replknet_procedure, resnet50.plain_gradient):
        scores = procedure(network, images, "layer1")
        assert np.abs(scores - expected).max() < 1e-12 * expected.max()


@pytest.mark.parametrize("wrong", [np.array([1.0, 2.1]), np.array([1.0, np.nan])])
def test_other_maps_are_no_case(wrong):
    right = np.array([1.0, 2.0])
    assert difference("case", right, right, 1e-9).relative_l2 == 0
    differing = difference("case", np.array([1.0, 2.1]), right, 0.1)
    assert differing.of_the_peak == pytest.approx(0.05)
    assert differing.relative_l2 == pytest.approx(0.1 / 5**0.5)
    with pytest.raises(Disagreement, match=r"case: the maps differ by .* allowed: 1e-09"):
        difference("case", wrong, right, 1e-9)
