"""What a card says."""

from dataclasses import replace

import numpy as np
import pytest

from erf.card import sentences
from tests.erf.card.cards import small


def advice(layer, **others):
    return " ".join(sentences.advice([layer], replace(small(), **others)))


def test_a_note_stands_once_with_all_layers_that_it_is_of():
    first, second, third = small().layers
    layers = [replace(first, notes=("a", "b")), replace(second, notes=("b",)), replace(third, notes=("b", "c"))]
    assert sentences.notes(layers) == [("a", "1"), ("b", "all layers"), ("c", "5")]


@pytest.mark.parametrize(
    ("changes", "begins"),
    [
        ({"interval": (9, 10), "erf_size": 9.5}, "Some intervals are wider"),
        ({"ratio": 0.4, "cut": (False, False)}, "Most of the TRF of 5 counts little"),
        ({"r95": 30.0, "erf_size": 14.0}, "Much of the influence on 5 lies outside"),
        (
            {"cut": (True, False)},
            "The image ends where the ERF of 5 does not. Measure on larger ones, for example 64 x 80",
        ),
    ],
)
def test_each_advice_is_given_where_its_reason_holds_and_nowhere_else(changes, begins):
    calm = {"interval": (9.8, 10), "erf_size": 10.0, "ratio": 0.6, "cut": (False, False), "r95": 12.0}
    layer = replace(small().layers[-1], **calm)
    assert begins not in advice(layer)
    assert begins in advice(replace(layer, **changes))


def test_noise_is_told_from_images_of_the_users():
    layer = small().layers[-1]
    assert "Noise compares architectures" in advice(layer)
    assert "Noise compares architectures" not in advice(layer, example=np.zeros((1, 32, 40)))


def test_the_headline_has_both_sizes_and_their_ratio():
    layer = replace(small().layers[-1], erf_size=6.4, ratio=0.91, cut=(False, False))
    assert sentences.headline(layer) == (
        "7 x 7 pixels can reach a unit of 5. Those that count cover about 6 x 6, 91 % of that along an axis."
    )
