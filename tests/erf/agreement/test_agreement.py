"""The judges of a user's network agree where erf is right, and see each kind of fault that is put into it."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import erf
from erf import InvalidInput
from erf.agreement import agreement, judges
from erf.maps import backward_cone, folding, measured_maps

JUDGES = ["outside", "edges", "autograd", "slow"]


def network(dtype=torch.float64):
    torch.manual_seed(0)
    first, second = nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False), nn.Conv2d(4, 4, 5)
    return nn.Sequential(first, nn.BatchNorm2d(4), nn.ReLU(), second).to(dtype).eval()


def answers(checked):
    return {finding.judge: finding.agrees for finding in checked.findings}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_judges_are_asked_and_agree(dtype):
    checked = erf.check(network(dtype), (33, 31), ["0", "3"], [(4, 4), (5, 6)])
    assert [(f.layer, f.unit, f.judge) for f in checked.findings] == [
        (layer, unit, judge) for layer in ("0", "3") for unit in ((4, 4), (5, 6)) for judge in JUDGES
    ]
    assert checked
    assert all(finding.agrees for finding in checked.findings)
    assert str(checked).endswith("\nall 16 answers agree")
    assert str(checked).startswith("agrees    layer '0', unit (4, 4): none of the 1014 pixels outside of its field")


def shifted(by_first, by_end, monkeypatch):
    """Let every field's box be another."""
    own = agreement.traced_fields

    def changed(*given):
        passed, fields = own(*given)
        return passed, [
            [replace(f, box=tuple((first + by_first, end + by_end) for first, end in f.box)) for f in each]
            for each in fields
        ]

    monkeypatch.setattr(agreement, "traced_fields", changed)


@pytest.mark.parametrize(
    ("by_first", "by_end", "wrong"), [(1, 0, ["outside"]), (0, -1, ["outside"]), (-1, 0, ["edges"]), (0, 1, ["edges"])]
)
def test_a_field_that_is_a_pixel_too_small_or_too_large_is_seen(by_first, by_end, wrong, monkeypatch):
    shifted(by_first, by_end, monkeypatch)
    monkeypatch.setattr(agreement, "bounded_box", lambda _, field, *__: field.box)
    checked = erf.check(network(), 65)
    assert [finding.judge for finding in checked.wrong] == wrong
    assert not checked
    assert str(checked).endswith("\n1 of 4 answers are wrong")
    assert "WRONG" in str(checked)


def test_a_map_that_is_not_that_of_autograd_is_seen(monkeypatch):
    own = measured_maps.gradient
    monkeypatch.setattr(measured_maps, "gradient", lambda *given: 1.001 * own(*given))
    checked = erf.check(network(), 33)
    assert answers(checked) == {"outside": True, "edges": True, "autograd": False, "slow": True}


def far_below_float64(monkeypatch):
    """Let maps below float64 differ by more than is allowed."""
    own = agreement.difference

    def differs(values, expected, dtype):
        return own(values, expected, dtype) if dtype == torch.float64 else (0.5, 1e-2)

    monkeypatch.setattr(agreement, "difference", differs)


def test_rounding_is_told_from_a_fault_in_float64(monkeypatch):
    far_below_float64(monkeypatch)
    made = network(torch.float32)
    checked = erf.check(made, 33)
    assert checked
    assert "differs from that of plain autograd by 5.0e-01 (allowed: 1e-02), in float64 by " in str(checked)
    assert next(made.parameters()).dtype == torch.float32
    own = measured_maps.gradient
    monkeypatch.setattr(measured_maps, "gradient", lambda *given: 1.001 * own(*given))
    assert answers(erf.check(made, 33)) == {"outside": True, "edges": True, "autograd": False, "slow": True}


def test_what_does_not_run_in_float64_stays_wrong(monkeypatch):
    far_below_float64(monkeypatch)
    single = nn.Conv2d(1, 1, 3)
    monkeypatch.setattr(nn.Module, "double", lambda module: module.bfloat16())
    checked = erf.check(single, 9)
    assert answers(checked)["autograd"] is False
    assert "cannot be measured in float64" in str(checked)


def test_a_fast_way_that_is_wrong_is_seen(monkeypatch):
    own = folding.folded_parameters

    def with_other_weights(*given):
        weight, bias = own(*given)
        return nn.Parameter(1.001 * weight, requires_grad=False), bias

    monkeypatch.setattr(folding, "folded_parameters", with_other_weights)
    assert {f.judge for f in erf.check(network(), 33).wrong} == {"autograd", "slow"}


class Tokens(nn.Module):
    """A batch norm that cannot be folded, to which the gradient of one image comes channels-last."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)

    def forward(self, x):
        return self.norm(self.stem(x).tanh()).flatten(2).permute(0, 2, 1).softmax(-1)


def test_a_gradient_that_torch_reads_wrongly_is_no_fault_of_erf(monkeypatch):
    torch.manual_seed(0)
    tokens = Tokens().double()
    assert answers(erf.check(tokens, 9)) == dict.fromkeys(JUDGES, True)
    monkeypatch.setattr(backward_cone, "ordered_alike", lambda gradient, _: gradient)
    assert answers(erf.check(tokens, 9)) == {"outside": True, "edges": True, "autograd": False, "slow": False}


def test_fast_ways_come_back():
    ways = judges.SLOW_WAYS.values()
    before = [getattr(module, name) for module, name, _ in ways]
    with judges.slow_ways():
        assert [getattr(module, name) for module, name, _ in ways] == [way for *_, way in ways]
    assert [getattr(module, name) for module, name, _ in ways] == before


def test_what_cannot_be_asked_is_said_and_does_not_count():
    pooled = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).double()
    checked = erf.check(pooled, 9)
    assert answers(checked) == {"outside": None, "edges": None, "autograd": True, "slow": True}
    assert checked
    assert "its field is the whole image" in str(checked)
    constant = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), Detached()).double()
    checked = erf.check(constant, 9)
    assert set(answers(checked).values()) == {None}
    assert not checked
    assert str(checked).endswith("\nnothing could be asked")


class Detached(nn.Module):
    def forward(self, x):
        return x.detach()


def test_pixels_at_the_other_end_of_a_circular_image_are_no_fault():
    circular = nn.Conv2d(1, 1, 5, padding=2, padding_mode="circular").double()
    checked = erf.check(circular, 9, unit=(0, 4))
    assert answers(checked)["outside"] is True
    assert "on this bounded image" in str(checked)


def test_a_call_and_some_channels_are_taken():
    made = network()
    checked = erf.check(made, (32, 32), of_channels=1, channels=2, call=lambda net, x: {"features": net(2 * x)})
    assert set(answers(checked).values()) == {True}


def test_checking_changes_nothing():
    made = network().train()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    erf.check(made, 33)
    assert made.training
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in made.parameters())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"layers": "9"}, "layer '9'"), ({"seed": -1}, "seed=-1"), ({"mode": "x"}, "mode="), ({"unit": (99, 0)}, "unit")],
)
def test_what_does_not_fit_is_refused(wrong, words):
    with pytest.raises(InvalidInput, match=words):
        erf.check(network(), 33, **wrong)
