"""What a pass keeps: no values of tensors that the network lets go, and boxes no wider than they vary."""

from __future__ import annotations

import tracemalloc
from weakref import ref

import numpy as np
import torch
from torch import Tensor, nn

from erf.reachability.digit import narrowed
from erf.reachability.forward import trace
from tests.erf.hard_cases import Forward

TOKENS = 24**2


def traced_bytes(network: nn.Module) -> int:
    trace(network, (8, 8), 2)  # what is imported and remembered
    tracemalloc.start()
    trace(network, (24, 24), 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_a_pass_on_images_lets_tensors_with_views_go() -> None:
    made: list[ref[Tensor]] = []

    def forward(x: Tensor, conv: nn.Module) -> Tensor:
        for _ in range(3):
            x = conv(x) + 1
            made.append(ref(x))
            x = x.flatten(2).mT.reshape(len(x), -1, 2, 9) * 1  # views of it, and what is computed from them
            x = x.permute(0, 2, 3, 1).reshape(len(x), 2, 9, 9)
            assert [tensor() for tensor in made] == [None] * len(made)
        return x

    trace(Forward(forward, nn.Conv2d(2, 2, 1)), (9, 9), 2, images=torch.zeros(2, 2, 9, 9))
    assert len(made) == 3


def test_views_are_changed_by_a_write_after_the_tensor_that_was_first_is_gone() -> None:
    def forward(x: Tensor, conv: nn.Module, last: nn.Module) -> Tensor:
        rows = (conv(x) + 1)[:, :, 2:]
        rows[:, :, :4] += x[:, :, :4]  # writes to a part, two rows above
        return last(rows)

    network = Forward(forward, nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1))
    sizes = []
    for images in (None, torch.zeros(2, 2, 9, 9)):
        [output] = trace(network, (9, 9), 2, images=images).steps[-1].outputs
        dense = output[0].dense()[:, 0, 0, :, 0]
        sizes.append((dense[0].tolist(), (-dense[1]).tolist()))
    assert sizes[0] == sizes[1] == ([0.0, 1, 2, 3, 6, 7, 8], [2.0, 3, 4, 5, 6, 7, 8])


def test_boxes_that_do_not_vary_keep_no_wide_ones_in_memory() -> None:
    narrow = narrowed(np.zeros((4, 1000, 3)), 1)
    assert narrow.shape == (4, 1, 3)
    assert narrow.base is None


def test_a_write_to_all_tokens_but_the_first_has_boxes_by_the_token() -> None:
    def shortcut(x: Tensor) -> Tensor:
        tokens = x.flatten(2).mT[..., :1].expand(-1, -1, 1024)
        mixed = (tokens @ tokens.mT).softmax(-1) @ tokens  # the same for all tokens
        mixed[:, 1:] += tokens[:, 1:]
        return mixed.mean(-1, keepdim=True)

    elements = 2 * TOKENS * 1024
    assert traced_bytes(Forward(shortcut)) < 8 * 4 * elements / 10
