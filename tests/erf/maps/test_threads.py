"""Different networks are measured in several threads at once; one network is measured in one thread."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from torch import nn

import erf

DEPTHS = (3, 4, 5)


def network(depth):
    torch.manual_seed(depth)
    layers = [nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.ReLU()) for _ in range(depth)]
    return nn.Sequential(*layers).eval()


def test_fields_of_several_networks_at_once_are_those_of_each_alone():
    networks = [network(depth) for depth in DEPTHS]
    barrier = Barrier(len(DEPTHS))

    def fields(each):
        barrier.wait()
        return [erf.theoretical_receptive_field(each, 32).box for _ in range(10)]

    with ThreadPoolExecutor(len(DEPTHS)) as pool:
        at_once = list(pool.map(fields, networks))
    assert at_once == [[erf.theoretical_receptive_field(each, 32).box] * 10 for each in networks]


def test_a_network_that_runs_in_another_thread_says_so():
    made = network(2)
    inner = made[1]

    class Threaded(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def forward(self, images):
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(self.inner, images).result()

    with pytest.raises(erf.InvalidInput, match=r"runs in a thread of its own.*measured in turn, or copied"):
        erf.theoretical_receptive_field(Threaded(), 16, channels=2)
