"""Streams keep their numbers: with others, no recorded run could be measured again."""

from enum import IntEnum

import pytest

from experiments.center_low_init.pairs import Stream as OfPairs
from experiments.gaussian_shape.experiment import GroupStream
from experiments.stacks.paper_stacks import Stream as OfStacks
from experiments.trainings.plan import Stream as OfTrainings

NUMBERS = {
    OfTrainings: {"weights": 0, "order": 1, "signs": 2, "noise": 3, "bootstrap": 4, "labels": 5},
    OfPairs: {"signs": 0, "pairs": 1},
    OfStacks: {"bootstrap": 1, "single_layers": 2},
    GroupStream: {"runs": 1, "bootstrap": 2},
}


@pytest.mark.parametrize("streams", NUMBERS)
def test_streams_keep_their_numbers(streams: type[IntEnum]):
    assert {stream.name: stream.value for stream in streams} == NUMBERS[streams]
