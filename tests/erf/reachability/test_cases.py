"""Networks as users write them: the field of each against NaN poisoning, and what is assumed of it."""

from __future__ import annotations

import pytest
import torch

from erf import theoretical_receptive_field
from erf.reachability.pass_to_layers import pass_to
from tests.erf.reachability.cases import decisions, indices, operators
from tests.erf.reachability.cases.case import Case
from tests.oracles.nan_poisoning import poisoned_box, values_at

CASES = operators.CASES | decisions.CASES | indices.CASES


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_fields_are_what_nan_poisoning_finds(case: Case) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = case.make().double().eval().requires_grad_(False)
    field = theoretical_receptive_field(network, case.size, layer=case.layer, channels=2)
    fields = [field]
    if field.grid is not None:
        units = [tuple(round(share * (n - 1)) for n in field.grid) for share in (0.0, 0.5, 1.0)]
        fields = theoretical_receptive_field(network, case.size, layer=case.layer, unit=units, channels=2)
    for each in fields:
        place = (0, *each.index[1:]) if each.index else (0,)
        poisoned = poisoned_box(values_at(network, case.layer, place), 2, case.size)
        pairs = zip(each.box, case.size, strict=True)
        inside = tuple((max(low, 0), min(high, n)) for (low, high), n in pairs)
        assert poisoned is not None
        assert all(low <= first and high >= end for (low, high), (first, end) in zip(inside, poisoned, strict=True))
        assert inside == poisoned or not case.exact, (each.unit, inside, poisoned)
    assert len(field.assumptions) == len(case.assumed), field.assumptions
    for part, sentence in zip(case.assumed, field.assumptions, strict=True):
        assert part in sentence


WITHOUT_DATA = "Fourier neural operator", "complex kernels made on the device", "truths of numpy", "checkered"


@pytest.mark.parametrize("name", WITHOUT_DATA)
def test_what_is_known_of_constants_needs_no_images(name: str) -> None:
    case = CASES[name]
    assert not pass_to(case.make(), case.size, 2, {""}, None).on_images
