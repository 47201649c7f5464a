"""A pass without data leaves the network and the process as they were."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from erf.errors import InvalidInput
from erf.reachability.receptive_field import theoretical_receptive_field
from tests.erf.hard_cases import Forward


class Remembers(nn.Module):
    """A module that notes things while it runs, as position caches and counters do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.utils.weight_norm(nn.Conv2d(3, 3, 3))
        self.norm = nn.BatchNorm2d(3)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.cache: Tensor | None = None
        self.shapes: list[torch.Size] = []
        self.by_side: dict[int, list[int]] = {}

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.shapes.append(x.shape)
        self.by_side.setdefault(len(x), []).append(x.ndim)
        self.cache = torch.rand_like(x)
        return F.dropout(self.norm(self.conv(x)), training=self.training) + torch.rand(1).item() * 0


@pytest.mark.filterwarnings("ignore:.*weight_norm.*")
@pytest.mark.parametrize("mode", ["eval", "as_is"])
def test_measuring_leaves_no_trace(mode: str) -> None:
    network = nn.Sequential(Remembers(), nn.Conv2d(3, 3, 3).eval())
    handle = network[0].register_forward_hook(lambda *_: None)
    network(torch.rand(2, 3, 9, 9)).sum().backward()
    before = copy.deepcopy(network.state_dict())
    gradients = [parameter.grad.clone() for parameter in network.parameters()]
    identity = [id(tensor) for tensor in (*network.parameters(), *network.buffers())]
    attributes = {name: list(module.__dict__) for name, module in network.named_modules()}
    cache, weight = network[0].cache, network[0].conv.weight
    network[0].shapes.clear()  # what is empty before is so afterwards
    by_side = copy.copy(network[0].by_side)
    random_states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    theoretical_receptive_field(network, (9, 9), mode=mode)
    assert torch.equal(torch.get_rng_state(), random_states[2])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == random_states[:2]  # noqa: NPY002
    assert all(torch.equal(new, before[name]) for name, new in network.state_dict().items())
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        assert torch.equal(parameter.grad, gradient)
    assert [id(tensor) for tensor in (*network.parameters(), *network.buffers())] == identity
    assert {name: list(module.__dict__) for name, module in network.named_modules()} == attributes
    assert network[0].cache is cache
    assert network[0].shapes == []
    assert network[0].by_side.keys() == by_side.keys()
    assert network[0].conv.weight is weight
    assert [module.training for module in network.modules()] == [True, True, True, True, False]
    assert list(network[0]._forward_hooks) == [handle.id]
    assert not nn.modules.module._global_forward_hooks
    assert torch.backends.mha.get_fastpath_enabled()


def test_a_failed_pass_leaves_no_trace_either() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 3), Forward(lambda x: x.reshape(5, 7, 11))).train()
    with pytest.raises(InvalidInput, match="does not run on an input"):
        theoretical_receptive_field(network, (9, 9))
    assert network.training
    assert not network[0].weight.is_meta
    assert not nn.modules.module._global_forward_hooks
    assert not nn.modules.module._global_forward_pre_hooks
