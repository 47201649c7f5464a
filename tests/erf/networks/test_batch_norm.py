import pytest
import torch
from torch import nn

from erf import InvalidInput, effective_receptive_field
from erf.networks.batch_norm import fold_batch_norm_
from erf.networks.camvid_frontend import CamvidFrontend
from erf.networks.cifar_resnet import CifarResNet
from erf.seeds import generator


def with_statistics(network: nn.Module, images: torch.Tensor) -> nn.Module:
    """Return the network in float64 with running statistics, gains and shifts that are not those of its start."""
    draws = generator(5)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=draws)
            nn.init.uniform_(module.bias, -0.5, 0.5, generator=draws)
    network.double().train()
    with torch.no_grad():
        for _ in range(3):
            network(images)
    return network.eval()


NETWORKS = [
    lambda: CifarResNet(3, generator=generator(0)),
    lambda: CamvidFrontend((2, 3, 4, 5), generator=generator(0)),
    lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1)),
]


@pytest.mark.parametrize("build", NETWORKS)
def test_a_folded_network_computes_the_same(build):
    images = torch.randn(3, 3, 33, 34, dtype=torch.float64, generator=generator(1))
    network = with_statistics(build(), images)
    with torch.no_grad():
        expected = network(images)
        assert fold_batch_norm_(network) is network
        torch.testing.assert_close(network(images), expected, rtol=0, atol=1e-10 * float(expected.abs().max()))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    # In train mode too: nothing is normalized.
    torch.testing.assert_close(network.train()(images), network.eval()(images), rtol=0, atol=0)
    network(images).square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_a_folded_network_has_the_same_map_and_parameters_of_the_plain_one():
    images = torch.randn(3, 3, 24, 24, dtype=torch.float64, generator=generator(1))
    network = with_statistics(CifarResNet(3, generator=generator(0)), images)
    layers = ["blocks", "blocks.0.norm1", "after_top.0"]
    before = effective_receptive_field(network, images, layer=layers)
    after = effective_receptive_field(fold_batch_norm_(network), images, layer=layers)
    for name in layers:
        assert abs(after[name].values - before[name].values).max() <= 1e-10 * before[name].values.max()
    plain = CifarResNet(3, batch_norm=False).state_dict()
    assert {name: value.shape for name, value in network.state_dict().items()} == {
        name: value.shape for name, value in plain.items()
    }


def test_what_cannot_be_folded_is_named():
    lonely = nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3))
    with pytest.raises(
        InvalidInput, match=r"1: before it comes ReLU\(\); allowed is a convolution of as many channels"
    ):
        fold_batch_norm_(lonely)
    with pytest.raises(InvalidInput, match="0: before it comes Identity"):
        fold_batch_norm_(nn.Sequential(nn.BatchNorm2d(3)))
    with pytest.raises(InvalidInput, match="1: before it comes Conv2d"):
        fold_batch_norm_(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(3)))
    with pytest.raises(InvalidInput, match="keeps no running statistics"):
        fold_batch_norm_(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)))
