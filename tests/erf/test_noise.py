import pytest
import torch

from erf.noise import Noise
from erf.seeds import generator


@pytest.mark.parametrize(("noise", "mean", "variance"), [(Noise.normal, 0, 1), (Noise.uniform, 1 / 2, 1 / 12)])
def test_mean_and_variance(noise, mean, variance):
    pixels = noise.draw((4, 100, 100), generator(0))
    assert pixels.shape == (4, 100, 100)
    assert pixels.dtype == torch.float32
    assert float(pixels.double().mean()) == pytest.approx(mean, abs=5 * (variance / 40000) ** 0.5)
    assert float(pixels.double().var()) == pytest.approx(variance, rel=5 * (2 / 40000) ** 0.5)


def test_uniform_pixels_lie_between_0_and_1():
    pixels = Noise.uniform.draw((100, 100), generator(0))
    assert 0 <= float(pixels.min()) < 0.001
    assert 0.999 < float(pixels.max()) < 1


@pytest.mark.parametrize("noise", Noise)
def test_the_generator_decides(noise):
    first = noise.draw([3, 3], generator(1))
    assert torch.equal(noise.draw([3, 3], generator(1)), first)
    assert not torch.equal(noise.draw([3, 3], generator(2)), first)
