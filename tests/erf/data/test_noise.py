import pytest
import torch

from erf import InvalidInput
from erf.data.noise import Noise, NoiseImages
from erf.seeds import INPUTS, generator


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


@pytest.mark.parametrize("noise", Noise)
@pytest.mark.parametrize("shape", [(3, 5, 4), (1, 9), (2, 3, 4, 5)])
def test_noise_images_depend_on_the_seed_and_their_index_alone(noise, shape):
    """Image i is the first draw of run i's input stream, as it is for stacks."""
    expected = torch.stack([noise.draw(shape, generator(7, i, INPUTS)) for i in range(5)])
    for batch_size in (1, 2, 5, 8):
        images = NoiseImages(noise, shape, count=5, seed=7, batch_size=batch_size)
        batches = list(images)
        assert [len(b) for b in batches[:-1]] == [batch_size] * (len(batches) - 1)
        assert torch.equal(torch.cat(batches), expected)
        assert torch.equal(torch.cat(list(images)), expected)
    assert torch.equal(torch.cat(list(NoiseImages(noise, shape, count=3, seed=7))), expected[:3])
    assert not torch.equal(torch.cat(list(NoiseImages(noise, shape, count=5, seed=8))), expected)
    assert len({tuple(image.flatten().tolist()) for image in expected}) == 5


def test_noise_images_leave_the_global_random_state():
    before = torch.get_rng_state()
    list(NoiseImages("normal", (1, 4, 4), 3))
    assert torch.equal(torch.get_rng_state(), before)


BAD_NOISE = [
    ({"noise": "pink"}, "noise='pink' is unknown; allowed: normal, uniform"),
    ({"shape": (3,)}, r"shape=\(3,\): allowed are the channels and 1 to 3 spatial axes"),
    ({"shape": (3, 0, 4)}, r"shape=\(3, 0, 4\)"),
    ({"count": 0}, "count=0: allowed are whole numbers from 1"),
    ({"batch_size": 0}, "batch_size=0"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_NOISE)
def test_bad_noise(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        NoiseImages(**{"noise": "normal", "shape": (3, 4, 4), "count": 2, **arguments})
