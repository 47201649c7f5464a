"""What an option allows is asked of every config, also of one that is read from a record."""

from dataclasses import dataclass

import pytest

from erf.errors import InvalidInput
from experiments.harness.experiment import ExperimentConfig, option


@dataclass
class Toy(ExperimentConfig):
    name: str = option("toy", "fixed")
    runs: int = option(3, "a number", least=2)
    batch: int | None = option(None, "a number, or None", least=1)
    widths: list[int] = option([4, 8], "different numbers", distinct=True, least=1)
    depths: list[int] = option([2, 4], "increasing numbers", increasing_from=2)
    kind: str = option("exact", "the only one", fixed="has no theory")


@pytest.mark.parametrize(
    "allowed",
    [
        {"runs": 2, "batch": 1, "widths": [1], "depths": [2, 3, 9], "kind": "exact"},
        {"batch": None, "widths": [8, 4]},  # in any order
    ],
)
def test_what_is_allowed_is_taken(allowed):
    assert vars(Toy(**allowed)).items() >= allowed.items()


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        ({"runs": 1}, "runs=1 is too small; allowed: 2 or more"),
        ({"batch": 0}, "batch=0 is too small; allowed: 1 or more"),
        ({"widths": []}, "widths=[]: allowed is a list of different values, at least one"),
        ({"widths": [4, 4]}, "widths=[4,4]: allowed is a list of different values, at least one"),
        ({"widths": [4, 0]}, "widths=0 is too small; allowed: 1 or more"),
        ({"depths": [1, 2]}, "depths=[1, 2]: allowed are increasing whole numbers from 2, at least one"),
        ({"depths": [3, 3]}, "depths=[3, 3]: allowed are increasing whole numbers from 2, at least one"),
        ({"depths": []}, "depths=[]: allowed are increasing whole numbers from 2, at least one"),
        ({"kind": "other"}, "kind=other has no theory; allowed: exact"),
        ({"name": "other"}, "name='other' cannot be chosen; allowed: 'toy'"),
    ],
)
def test_what_is_not_allowed_is_refused_in_one_line(refused, message):
    with pytest.raises(InvalidInput) as error:
        Toy(**refused)
    assert str(error.value) == message
