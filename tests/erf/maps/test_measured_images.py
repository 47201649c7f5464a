"""The images that a map is measured on: their sources, precision and memory, and those that count for nothing."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from erf import InvalidInput, effective_receptive_field
from erf.data.noise import Noise, NoiseImages
from erf.data.pictures import Pictures
from erf.seeds import INPUTS, generator
from tests.erf.maps.jacobians import difference, small_network, some_images

pytestmark = pytest.mark.usefixtures("seeded")


def test_images_without_influence_are_left_out_and_counted():
    network = nn.Sequential(nn.ReLU(), nn.Conv2d(1, 2, 3)).double()
    images = some_images(5, 1, 5, 5).abs()
    images[1] = images[4] = -1
    imap = effective_receptive_field(network, images, batch_size=2)
    assert (imap.samples, imap.skipped) == (3, 2)
    others = [effective_receptive_field(network, images[i : i + 1], first_sample=i).values for i in (0, 2, 3)]
    np.testing.assert_allclose(imap.values, np.mean(others, 0), rtol=1e-12)
    nothing = effective_receptive_field(network, images[[1, 4]])
    assert (nothing.samples, nothing.skipped) == (0, 2)
    assert not nothing.values.any()


def test_gradients_that_are_not_finite_name_the_image():
    class Root(nn.ReLU):
        def forward(self, x):
            return x.sqrt()

    network = nn.Sequential(Root(), nn.Conv2d(1, 2, 3))
    images = torch.rand(4, 1, 5, 5) + 1
    images[2, 0, 2, 2] = 0
    with pytest.raises(InvalidInput, match=r"the gradient of image 2 of its batch is not finite.*float32"):
        effective_receptive_field(network, images)


def test_images_take_the_network_s_precision():
    network, images = small_network(), some_images(2, 2, 8, 8)
    rounded = effective_receptive_field(network, images.float()).values
    np.testing.assert_array_equal(rounded, effective_receptive_field(network, images.float().double()).values)


def test_float32_is_close_to_float64():
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3))
    images = torch.randn(3, 1, 9, 9)
    single = effective_receptive_field(network, images).values
    assert difference(single, effective_receptive_field(network.double(), images).values) < 1e-5


class Viewing(nn.Module):
    """Its view needs rows and columns behind the channels."""

    def forward(self, x):
        return x.view(len(x), -1).view(x.shape)


@pytest.mark.parametrize("viewing", [False, True])
def test_the_memory_layout_does_not_matter(viewing):
    layouts = []
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2), *[Viewing()] * viewing, nn.Conv2d(8, 8, 3))
    handle = network[-1].register_forward_pre_hook(
        lambda _, given: layouts.append(given[0].is_contiguous(memory_format=torch.channels_last))
    )
    images = torch.randn(3, 3, 16, 18)
    for given in (images, images.contiguous(memory_format=torch.channels_last)):
        before = given.stride()
        single = effective_receptive_field(network.float(), given).values
        assert layouts[-1] is not viewing
        assert difference(single, effective_receptive_field(network.double(), given).values) < 1e-5
        assert layouts[-1] is False
        assert (given.stride(), given.requires_grad) == (before, False)
        coarse = effective_receptive_field(network.bfloat16(), given).values
        assert layouts[-1] is not viewing
        assert difference(coarse, single) < 0.05
    handle.remove()


class Bag:
    """Iterable, and nothing else."""

    def __init__(self, *batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


def test_batches_with_labels_give_the_map_of_the_images():
    network, images = small_network(), some_images(5, 2, 8, 8)
    expected = effective_receptive_field(network, images, batch_size=2).values
    labelled = DataLoader(TensorDataset(images, torch.arange(5)), batch_size=2)
    first, second = images[:2], images[2:]
    for given in (
        labelled,
        DataLoader(TensorDataset(images), batch_size=2),
        Bag((first, None), (second, None)),
        Bag([first, {}], [second]),
        iter([first, second]),
    ):
        np.testing.assert_array_equal(effective_receptive_field(network, given, batch_size=2).values, expected)


def test_pictures_of_a_folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in "cab":
        Image.fromarray(rng.integers(0, 256, (20, 26, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 2, 3)).double()
    pictures = Pictures(tmp_path, (12, 14), batch_size=2)
    imap = effective_receptive_field(network, pictures, batch_size=2)
    assert imap.samples == 3
    assert imap.values.shape == (12, 14)
    expected = effective_receptive_field(network, torch.cat(list(pictures)), batch_size=2)
    np.testing.assert_array_equal(imap.values, expected.values)


def test_noise_images():
    network = small_network()
    expected = torch.stack([Noise.uniform.draw((2, 8, 8), generator(3, i, INPUTS)) for i in range(5)])
    plain = effective_receptive_field(network, expected, seed=3, batch_size=2)
    for batch_size in (1, 2, 4):
        noise = NoiseImages("uniform", (2, 8, 8), 5, seed=3, batch_size=batch_size)
        imap = effective_receptive_field(network, noise, seed=3, batch_size=2)
        assert difference(imap.values, plain.values) < 1e-12
        assert imap.samples == 5


def test_what_the_first_layer_takes_is_said_only_where_it_explains_the_failure():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3, 1, 1))

        def forward(self, x):
            return x * self.scale

    with pytest.raises(InvalidInput, match=r"does not run on an input \[N, 2, 8, 8\]: "):
        effective_receptive_field(nn.Sequential(Scaled(), nn.Conv2d(3, 2, 3)), torch.zeros(1, 2, 8, 8))
    torchs = r"does not run on an input \[N, 2, 4, 4\]: .*(Kernel|Output) size"
    ours = r"its output on an image of \[4, 4\] pixels is empty"  # torch 2.6 runs it on the meta device
    with pytest.raises(InvalidInput, match=f"{torchs}|{ours}"):
        effective_receptive_field(nn.Conv2d(2, 3, 5), torch.zeros(1, 2, 4, 4))
