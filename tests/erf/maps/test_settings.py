"""Settings of a network are other ones where an attribute that a forward may ask is another."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from erf.maps.settings import settings


@dataclass
class Configuration:
    side: int = 3


def network():
    made = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Sequential(nn.ReLU()))
    sides = [[3, 4], {"third": {5}}]
    sides.append(sides)
    vars(made).update(sides=sides, configuration=Configuration())
    return made


def stride(made):
    made[0].stride = (2, 2)


def hook(made):
    made[2].register_forward_hook(lambda *_given: None)


def nested(made):
    made.sides[1]["third"].add(6)


def configuration(made):
    made.configuration.side = 5


def name(made):
    made.insert(2, nn.Identity())


def kind(made):
    made[2][0] = nn.Tanh()


def shape(made):
    made[1].weight = nn.Parameter(torch.ones(3))


@pytest.mark.parametrize("change", [stride, hook, nested, configuration, name, kind, shape])
def test_a_change_shows(change):
    made = network()
    before = settings(made)
    hash(before)
    assert settings(made) == before
    change(made)
    assert settings(made) != before


def test_values_of_weights_and_buffers_do_not_show():
    made = network()
    before = settings(made)
    made(torch.randn(2, 1, 8, 8))
    made.requires_grad_(False)
    for value in made.state_dict().values():
        value.zero_()
    assert settings(made) == before
