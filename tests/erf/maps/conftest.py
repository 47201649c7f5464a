"""What the tests of maps begin with."""

import pytest

from erf.maps import cropping


@pytest.fixture
def crop_small_images(monkeypatch):
    monkeypatch.setattr(cropping, "OVERHEAD", 0)
