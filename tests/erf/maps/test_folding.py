"""Folded batch norm changes no output, is left alone where it would, and leaves the network as it was."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrize

from erf import effective_receptive_field
from erf.maps.folding import folded, folds
from erf.reachability.forward import traced

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def drawn(network):
    """Return the network in float64 and eval mode with every parameter and statistic drawn."""
    random = torch.Generator().manual_seed(7)
    network = network.double().eval()
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if tensor.is_floating_point():
            values = torch.randn(tensor.shape, generator=random, dtype=torch.float64)
            tensor.data = values.abs() + 0.5 if "running_var" in name else values
    return network


def pair(axes=2, bias=False, affine=True, **options):
    return [
        CONVOLUTIONS[axes](2, 3, 3, padding=1, bias=bias, **options),
        NORMS[axes](3, affine=affine),
        nn.ReLU(inplace=True),
        CONVOLUTIONS[axes](3, 2, 3),
    ]


def found_in(network, layers=(None,), size=(9, 9)):
    return folds(network, traced(network, size, 2), layers)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"bias": True}, {"affine": False}, {"padding_mode": "circular"}])
def test_a_folded_network_computes_the_same(axes, options):
    network = drawn(nn.Sequential(*pair(axes, **options)))
    images = torch.randn(3, 2, *[9] * axes, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    before, own = network(images).detach(), list(network.parameters())
    (fold,) = found_in(network, size=[9] * axes)
    assert (fold.convolution, fold.norm) == (network[0], network[1])
    with folded([fold]):
        inside = network(images)
        assert torch.equal(network[1](images), images)
    torch.testing.assert_close(inside, before, rtol=0, atol=1e-13 * float(before.abs().max()))
    assert all(a is b for a, b in zip(own, network.parameters(), strict=True))
    assert torch.equal(network(images), before)


def test_the_network_is_as_it_was_after_an_error():
    network = drawn(nn.Sequential(*pair()))
    weight = network[0].weight
    with pytest.raises(KeyError), folded(found_in(network)):
        raise KeyError
    assert network[0].weight is weight
    assert network[0].bias is None
    assert "forward" not in vars(network[1])


class Skip(nn.Module):
    """Reads the convolution's output besides its batch norm."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2)

    def forward(self, x):
        y = self.convolution(x)
        return self.norm(y) + y


class Twice(Skip):
    def forward(self, x):
        return self.norm(self.convolution(self.convolution(x)))


class NormTwice(Skip):
    def forward(self, x):
        return self.norm(self.norm(self.convolution(x)))


class Penalised(Skip):
    """Reads the convolution's weight itself."""

    def forward(self, x):
        return self.norm(self.convolution(x)) * self.convolution.weight.mean()


class Changed(Skip):
    """Changes the convolution's output in place before the batch norm."""

    def forward(self, x):
        return self.norm(F.relu_(self.convolution(x)))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x):
        return self.second(self.norm(self.first(x)))


class OwnConvolution(nn.Conv2d):
    pass


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


def parametrized():
    network = nn.Sequential(*pair())
    parametrize.register_parametrization(network[0], "weight", Doubled())
    return network


def changed(change):
    network = nn.Sequential(*pair())
    change(network)
    return network


UNFOLDABLE = {
    "read_twice": Skip,
    "run_twice": Twice,
    "norm_run_twice": NormTwice,
    "weight_read": Penalised,
    "activation_between": Changed,
    "tied": Tied,
    "subclass": lambda: nn.Sequential(OwnConvolution(2, 3, 3), nn.BatchNorm2d(3)),
    "no_statistics": lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, track_running_stats=False)),
    "norm_first": lambda: nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 3, 3)),
    "parametrized": parametrized,
    "hook": lambda: changed(lambda network: network[0].register_forward_hook(lambda *_: None)),
    "pre_hook": lambda: changed(lambda network: network[1].register_forward_pre_hook(lambda *_: None)),
    "own_forward": lambda: changed(lambda network: setattr(network[1], "forward", network[1].forward)),
}


@pytest.mark.parametrize("name", UNFOLDABLE)
def test_what_would_change_is_not_folded(name):
    assert found_in(UNFOLDABLE[name]().eval()) == []


def test_train_mode_and_low_precision_are_not_folded():
    assert found_in(nn.Sequential(*pair())) == []
    assert found_in(nn.Sequential(*pair()).eval().bfloat16()) == []
    assert len(found_in(nn.Sequential(*pair()).eval())) == 1


@pytest.mark.parametrize(("layers", "count"), [(["0.0"], 0), (["0"], 0), (["2"], 1), (["1"], 1), (["0.0", "1"], 0)])
def test_a_layer_that_is_measured_keeps_its_output(layers, count):
    convolution, *rest = pair()
    assert len(found_in(nn.Sequential(nn.Sequential(convolution), *rest).eval(), layers)) == count


def test_only_what_runs_before_the_layer_is_folded():
    network = drawn(nn.Sequential(*pair()[:3], nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1)))
    assert [fold.norm for fold in found_in(network, ["3"])] == [network[1]]
    assert [fold.norm for fold in found_in(network, ["1"])] == [network[1]]
    assert [fold.norm for fold in found_in(network, ["5"])] == [network[1], network[4]]
    assert [fold.norm for fold in found_in(network, ["forward_features"])] == [network[1], network[4]]


def test_measuring_runs_no_batch_norm(monkeypatch):
    network = drawn(nn.Sequential(*pair()))
    images = torch.randn(2, 2, 9, 9, dtype=torch.float64)
    expected = effective_receptive_field(changed_to_unfoldable(network), images)
    batch_norm = F.batch_norm

    def without_data(x, *rest, **options):
        assert x.is_meta
        return batch_norm(x, *rest, **options)

    monkeypatch.setattr(F, "batch_norm", without_data)
    imap = effective_receptive_field(network, images)
    assert abs(imap.values - expected.values).max() < 1e-13 * expected.values.max()
    assert imap.values.max() > 0


def changed_to_unfoldable(network):
    """Return a network of the same modules whose batch norm has a hook, as those have that are not folded."""
    other = drawn(nn.Sequential(*pair()))
    other.load_state_dict(network.state_dict())
    other[1].register_forward_hook(lambda *_: None)
    return other
