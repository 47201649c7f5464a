"""What the tests of maps begin with."""

import pytest
import torch

from erf.maps import cropping


@pytest.fixture
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def crop_small_images(monkeypatch):
    monkeypatch.setattr(cropping, "OVERHEAD", 0)
