"""Batches are joined where that changes no number, and keep the images' order and numbers."""

import pytest
import torch
from torch import nn

from erf.passes import batches


def sizes(network, given, batch_size=4):
    """Return the first image's number and the size of each batch; the images are in order."""
    images = torch.arange(float(sum(given)))[:, None, None, None]
    found = list(batches(network, iter(images.split(given)), batch_size, first=3))
    assert torch.equal(torch.cat([batch for _, batch in found]), images)
    return [(first, len(batch)) for first, batch in found]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([1] * 6, [(3, 4), (7, 2)]),
        ([3, 2, 2, 1], [(3, 3), (6, 4), (10, 1)]),
        ([2, 9], [(3, 2), (5, 4), (9, 4), (13, 1)]),
        ([4], [(3, 4)]),
        ([0, 2, 0], [(3, 2)]),
    ],
)
def test_small_batches_are_joined_while_they_fit(given, expected):
    assert sizes(nn.Identity().eval(), given) == expected


def test_a_network_in_train_mode_reads_the_batches_that_are_given():
    assert sizes(nn.BatchNorm2d(1).train(), [1, 2, 5]) == [(3, 1), (4, 2), (6, 4), (10, 1)]
