"""What the tests of the library begin with."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture
def seeded():
    torch.manual_seed(0)
