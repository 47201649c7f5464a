"""A toy training, run without an interruption."""

import pytest
import torch

from erf.training.processes import make_fabric
from tests.erf.toy_training import run_toy


@pytest.fixture(scope="module")
def fabric():
    fabric = make_fabric(torch.device("cpu"))
    fabric.launch()
    return fabric


@pytest.fixture(scope="module")
def uninterrupted(fabric, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    return *run_toy(fabric, folder), folder
