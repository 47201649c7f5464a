from itertools import product

import torch

from erf.seeds import INPUTS, SIGNS, WEIGHTS, derive, generator


def test_streams_depend_on_their_names_only():
    assert derive(0, 1, 2) == derive(0, 1, 2)
    assert len({derive(*name) for name in product(range(5), range(20), range(3))}) == 5 * 20 * 3
    assert all(0 <= derive(seed, 1) < 2**63 for seed in range(100))  # what torch takes


def test_generators_leave_the_global_one_alone():
    before = torch.get_rng_state()
    first = torch.randn(5, generator=generator(3, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(torch.randn(5, generator=generator(3, 1)), first)
    assert not torch.equal(torch.randn(5, generator=generator(3, 2)), first)


def test_streams_next_to_each_other_are_uncorrelated():
    """Of 200 streams of 50 numbers, a correlation has a standard error of 1 / sqrt(10000)."""
    drawn = torch.stack([torch.randn(50, generator=generator(0, run, 0)) for run in range(200)])
    assert abs(float((drawn[1:] * drawn[:-1]).mean())) < 0.05
    assert abs(float(drawn.mean())) < 0.05


def test_weights_inputs_and_signs_are_different_streams():
    assert len({derive(0, 5, stream) for stream in (WEIGHTS, INPUTS, SIGNS)}) == 3
