"""Weights are looked at once, and again wherever they may have become others."""

import pytest
import torch
from torch import nn

from erf import InvalidInput, effective_receptive_field
from erf.maps import weights
from erf.maps.weights import require_weights_once, taken_by
from erf.reachability.as_written import tensors_of


@pytest.fixture
def looks(monkeypatch):
    made = []
    own = weights.require_weights
    monkeypatch.setattr(weights, "require_weights", lambda *given, **options: (made.append(1), own(*given, **options)))
    return made


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 2, 3)).eval()


def test_the_same_values_are_looked_at_once_and_measuring_writes_none(looks):
    made = network()
    for _ in range(3):
        effective_receptive_field(made, torch.ones(1, 1, 9, 9))
    assert len(looks) == 1


def write(made):
    with torch.no_grad():
        made[3].weight[0, 0, 0, 0] = torch.nan


def put_parameter(made):
    made[3].weight = nn.Parameter(torch.full_like(made[3].weight, torch.nan))


def put_module(made):
    made[3] = nn.Conv2d(2, 2, 3)
    write(made)


def append(made):
    made.append(nn.Conv2d(2, 2, 1))
    nn.init.constant_(made[4].weight, torch.inf)


def write_buffer(made):
    made[1].running_mean.fill_(torch.nan)


def put_data(made):
    made[3].weight.data = torch.full_like(made[3].weight, torch.nan)


@pytest.mark.parametrize("change", [write, put_parameter, put_module, append, write_buffer, put_data])
def test_other_values_are_looked_at(change, looks):
    made = network()
    require_weights_once(made)
    change(made)
    with pytest.raises(InvalidInput, match=r"that are (not finite|NaN)"):
        require_weights_once(made)
    assert len(looks) == 2


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("layer", [0, 3])
def test_values_written_past_autograd_are_named_as_well(layer, value):
    made = network()
    effective_receptive_field(made, torch.ones(1, 1, 9, 9))
    made[layer].weight.data.fill_(value)
    with pytest.raises(InvalidInput, match=f"parameter '{layer}.weight' has values that are not finite"):
        effective_receptive_field(made, torch.ones(1, 1, 9, 9))


def test_tensors_are_those_of_all_modules():
    made = network()
    made.add_module("again", made[0])
    assert {id(tensor) for tensor in tensors_of(made)} == {id(t) for t in [*made.parameters(), *made.buffers()]}
    assert taken_by(made) == (torch.device("cpu"), torch.float32)
    assert taken_by(nn.ReLU()) == (None, None)
    integers_only = nn.Module()
    integers_only.register_buffer("places", torch.arange(3))
    assert taken_by(integers_only) == (torch.device("cpu"), None)
