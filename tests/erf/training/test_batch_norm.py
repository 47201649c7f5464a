import pytest
import torch
from torch import nn

from erf import InvalidInput
from erf.training.batch_norm import calibrate_batch_norm_


def network():
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, momentum=0.3), nn.ReLU(), nn.Dropout(), nn.Conv2d(3, 4, 3)]
    return nn.Sequential(*layers, nn.BatchNorm2d(4)).double()


def test_statistics_are_the_plain_average_over_the_batches():
    net, batches = network(), torch.randn(3, 5, 2, 8, 8, dtype=torch.float64)
    calibrate_batch_norm_(net, iter(batches))
    means, variances, after = [], [], []
    for batch in batches:
        features = net[0](batch)
        mean, variance = features.mean((0, 2, 3)), features.var((0, 2, 3))
        means.append(mean)
        variances.append(variance)
        spread = features.var((0, 2, 3), unbiased=False)[:, None, None] + net[1].eps
        normal = (features - mean[:, None, None]) / spread.sqrt()
        after.append(net[4](normal.relu()).mean((0, 2, 3)))  # dropout is off
    torch.testing.assert_close(net[1].running_mean, torch.stack(means).mean(0))
    torch.testing.assert_close(net[1].running_var, torch.stack(variances).mean(0))
    torch.testing.assert_close(net[5].running_mean, torch.stack(after).mean(0))


def test_earlier_statistics_are_forgotten_and_nothing_else_changes():
    net, images = network(), torch.randn(4, 2, 8, 8, dtype=torch.float64)
    net[4].eval()
    calibrate_batch_norm_(net, images)
    first, state = net[1].running_mean.clone(), torch.get_rng_state()
    weights = [parameter.clone() for parameter in net.parameters()]
    calibrate_batch_norm_(net, images + 5)
    calibrate_batch_norm_(net, images)
    assert torch.equal(net[1].running_mean, first)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(weights, net.parameters(), strict=True))
    assert [module.training for module in net] == [True, True, True, True, False, True]
    assert (net[1].momentum, net[5].momentum) == (0.3, 0.1)


def test_without_a_batch_it_says_so_and_without_batch_norm_nothing_runs():
    with pytest.raises(InvalidInput, match="no batch"):
        calibrate_batch_norm_(network(), [])
    calibrate_batch_norm_(nn.Conv2d(3, 3, 3), torch.zeros(1, 7, 1, 1))
