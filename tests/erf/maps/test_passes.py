"""Batches of images as a network is given them."""

import pytest
import torch
from torch import nn

from erf import effective_receptive_field
from erf.maps.passes import batches


def given(sizes, joined):
    images = torch.arange(float(sum(sizes))).view(-1, 1, 1, 1)
    numbered = list(batches(nn.Identity(), images.split(sizes), 8, first=5, joined=joined))
    assert torch.equal(torch.cat([batch for _, batch in numbered]), images)
    assert all(batch[0] == first - 5 for first, batch in numbered)
    return [(first, len(batch)) for first, batch in numbered]


def test_batches_that_follow_one_another_are_joined_up_to_the_size():
    assert given([3, 4, 2, 9, 1], joined=True) == [(5, 7), (12, 2), (14, 8), (22, 2)]
    assert given([1] * 9, joined=True) == [(5, 8), (13, 1)]


def test_without_joining_each_is_a_batch():
    assert given([3, 4, 2, 9, 1], joined=False) == [(5, 3), (8, 4), (12, 2), (14, 8), (22, 1), (23, 1)]


def test_joined_images_may_be_given_in_one_buffer_that_is_filled_anew():
    buffer = torch.zeros(1, 1, 2, 2)
    filled = (buffer.fill_(value) for value in (1.0, 2.0, 3.0))
    ((_, batch),) = batches(nn.Identity(), filled, 8, first=0, joined=True)
    assert batch[:, 0, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("device", "pinned"), [("cpu", False), ("cpu", True), ("cuda", False)])
def test_a_gpu_gets_what_a_buffer_held_when_it_was_given(device, pinned, dtype):
    network = nn.Conv2d(1, 1, 1).cuda()
    buffer = torch.zeros(4, 3, 512, 512, dtype=dtype, device=device, pin_memory=pinned)
    ranges = []
    for first, batch in batches(network, (buffer.fill_(value) for value in (1.0, 2.0, 3.0)), 4, first=0):
        assert (batch.device.type, batch.dtype) == ("cuda", torch.float32)
        ranges.append((first, *(float(value) for value in (batch.min(), batch.max()))))
    assert ranges == [(0, 1, 1), (4, 2, 2), (8, 3, 3)]


def test_images_follow_a_network_that_has_buffers_alone():
    network = nn.Module()
    network.register_buffer("count", torch.tensor(0))
    network.register_buffer("kernel", torch.zeros(1, dtype=torch.float64))
    ((_, batch),) = batches(network, torch.zeros(1, 1, 2, 2), 8, first=0)
    assert batch.dtype == torch.float64


def test_images_of_different_kinds_are_not_joined():
    mixed = [torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2, dtype=torch.float64), torch.zeros(2, 1, 2, 2)]
    numbered = list(batches(nn.Identity(), mixed, 8, first=0, joined=True))
    assert [(first, len(batch), batch.dtype) for first, batch in numbered] == [
        (0, 1, torch.float32),
        (1, 1, torch.float64),
        (2, 2, torch.float32),
    ]


class Recurrent(nn.Module):
    """Adds what it made of the images before, whose graph it holds on to."""

    def __init__(self):
        super().__init__()
        self.convolution, self.before = nn.Conv2d(1, 1, 3), torch.zeros(())

    def forward(self, images):
        self.before = torch.tanh(self.convolution(images) + 0.1 * self.before)
        return self.before


def test_the_last_unit_of_a_pass_lets_its_graph_go(monkeypatch):
    retained = []

    def grad(*args, retain_graph, **options):
        retained.append(retain_graph)
        return plain(*args, retain_graph=retain_graph, **options)

    plain = torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", grad)
    effective_receptive_field(nn.Conv2d(1, 1, 3), torch.randn(2, 1, 9, 9), unit=[(2, 2), (3, 3), (2, 3)], batch_size=1)
    assert retained == [True, True, False] * 2


def test_a_network_may_hold_on_to_a_graph_that_was_let_go():
    images = torch.randn(3, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    network = Recurrent()
    imap = effective_receptive_field(network, images, batch_size=1)
    network.before, expected = torch.zeros(()), 0
    for image in images.split(1):
        leaf = image.requires_grad_()
        (g,) = torch.autograd.grad(network(leaf)[0, 0, 3, 3], leaf, retain_graph=True)
        expected += g.abs()[0, 0] / 3
    torch.testing.assert_close(torch.from_numpy(imap.values).float(), expected)
