"""A data set and a network as small as they may be."""

import pytest

from erf.data import cifar10 as cifar10_data
from erf.networks import cifar_resnet
from erf.networks.cifar_resnet import CifarResNet
from tests.experiments.toy_data import toy_data
from tests.experiments.trainings.toy_growth import LAYERS


@pytest.fixture(scope="module")
def data():
    return cifar10_data.load(toy_data(), partial=True)


@pytest.fixture(scope="module")
def few_layers():
    """Train a quarter of the network's blocks and measure three of its layers, as each takes as long as an epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar_resnet, "BLOCKS", 4)
        patch.setattr(CifarResNet, "layers", LAYERS)
        yield
