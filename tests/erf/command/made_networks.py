"""Networks that are refused, and networks of the same weights."""

import pytest
import torch
from torch import nn

from erf import InvalidInput
from erf.command.network_source import make_network


def refused(*arguments, **named):
    with pytest.raises(InvalidInput) as caught:
        make_network(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def same_weights(a, b):
    a, b = (network.state_dict() if isinstance(network, nn.Module) else network for network in (a, b))
    pairs = zip(a.items(), b.items(), strict=True)
    return all(key == other and torch.equal(x, y) for (key, x), (other, y) in pairs)
