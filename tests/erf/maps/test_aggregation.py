import pytest
import torch

from erf import InvalidInput
from erf.maps.aggregation import check_aggregation, output_direction
from erf.maps.statistic import Statistic


def test_sum_and_channels():
    assert output_direction("sum", 3, 0, 0).tolist() == [1, 1, 1]
    assert output_direction(1, 3, 0, 0).tolist() == [0, 1, 0]


def test_random_signs_depend_on_seed_and_sample_only():
    signs = output_direction("random_sign", 64, 3, 5)
    torch.manual_seed(99)
    assert torch.equal(output_direction("random_sign", 64, 3, 5), signs)
    assert set(signs.tolist()) == {-1, 1}
    for seed, sample in [(3, 6), (4, 5), (5, 3)]:
        assert not torch.equal(output_direction("random_sign", 64, seed, sample), signs)


def test_random_signs_are_fair_and_independent():
    """Of 4000 samples, each mean has a standard error of 1 / sqrt(4000)."""
    signs = torch.stack([output_direction("random_sign", 8, 0, sample) for sample in range(4000)]).double()
    products = signs.T @ signs / 4000
    assert float(signs.mean(0).abs().max()) < 5 / 4000**0.5
    assert float((products - torch.eye(8)).abs().max()) < 5 / 4000**0.5
    following = (signs[1:] * signs[:-1]).mean(0)
    assert float(following.abs().max()) < 5 / 4000**0.5


@pytest.mark.parametrize("aggregation", ["random_sign", "sum", 0, 2])
def test_what_is_allowed(aggregation):
    check_aggregation(aggregation, 3, Statistic.mean_abs)


@pytest.mark.parametrize(
    ("aggregation", "statistic", "message"),
    [
        (3, Statistic.rms, "aggregation=3: the output has channels 0 to 2"),
        (-1, Statistic.rms, "aggregation=-1: the output has channels 0 to 2"),
        ("mean", Statistic.rms, "aggregation='mean' is unknown; allowed: random_sign, sum, or a channel's index"),
        ("random_sign", Statistic.signed_mean, "signed_mean of randomly signed channels is 0 on average"),
    ],
)
def test_what_is_not(aggregation, statistic, message):
    with pytest.raises(InvalidInput, match=message):
        check_aggregation(aggregation, 3, statistic)
