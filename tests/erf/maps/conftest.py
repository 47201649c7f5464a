"""What the tests of maps begin with."""

import pytest
import torch


@pytest.fixture
def seeded():
    torch.manual_seed(0)
