"""A map in bfloat16 is that of autocast, says its error, leaves nothing behind, and the own one is unchanged by it."""

import re

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

import erf
from erf import InvalidInput, effective_receptive_field
from erf.errors import InternalError
from erf.maps import backward_cone, cropping, passes, prepared
from erf.maps.aggregation import output_direction
from erf.maps.precision import error_of
from erf.reachability.registry import RULES
from tests.erf.maps.test_field_check import network as field_check_network
from tests.erf.maps.test_field_check import too_small
from tests.erf.test_fast_ways import OFF_OF_NETWORKS, network, ways_used

COARSE = {"precision": "bfloat16"}


def images(count=3, side=96):
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def drawn():
    with torch.random.fork_rng(devices=[]):
        return network()


class FailsInBfloat16(nn.Module):
    def forward(self, x):
        if x.dtype is torch.bfloat16:
            raise RuntimeError("not for me")
        return x


def plain_map(made, given, layer, unit, coarse):
    """Return the map by a hook, one forward pass of everything and one gradient."""
    outputs = []
    handle = made.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    leaf = given.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=coarse):
        made(leaf)
    handle.remove()
    channels = outputs[0][(..., *unit)]
    signs = torch.stack([output_direction("random_sign", channels.shape[1], 0, sample) for sample in range(len(given))])
    (g,) = torch.autograd.grad((channels * signs.to(channels)).sum(), leaf)
    return g.double().abs().mean((0, 1)).numpy()


def relative_l2(one, other):
    return np.linalg.norm(one - other) / np.linalg.norm(other)


def test_it_is_the_map_of_autocast():
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Conv2d(8, 8, 3, stride=2), nn.Tanh(), nn.Conv2d(8, 4, 3))
    given = images(side=24)
    imap = effective_receptive_field(made, given, "4", (3, 4), **COARSE)
    coarse, own = (plain_map(made, given, "4", (3, 4), flag) for flag in (True, False))
    assert relative_l2(imap.values, coarse) < 1e-3 < relative_l2(coarse, own) < 2e-2
    assert imap.values.dtype == np.float64
    assert imap.precision == "bfloat16"


@pytest.mark.parametrize("name", OFF_OF_NETWORKS)
def test_each_fast_way_holds(name, monkeypatch):
    made, asked = drawn(), (images(), ["2", "8", "11"], [None, (1, 2)])
    fast = effective_receptive_field(made, *asked, **COARSE)
    monkeypatch.setattr(*OFF_OF_NETWORKS[name])
    slow = effective_receptive_field(made, *asked, **COARSE)
    own = effective_receptive_field(made, *asked)
    for layer in fast:
        for one, other, exact in zip(fast[layer], slow[layer], own[layer], strict=True):
            assert relative_l2(one.values, other.values) < 2e-2
            assert relative_l2(one.values, exact.values) < 2e-2
            assert not np.array_equal(one.values, exact.values)


def test_every_fast_way_is_used(monkeypatch):
    watched = {
        "crops": (prepared, "crops", lambda result, *_: any(crop.box[0][1] < 96 for crop in result[1])),
        "folding": (prepared, "folds", lambda result, *_: result),
        "cone": (backward_cone, "input_gradient", lambda _, _box, gradient, *__: gradient.dtype is torch.bfloat16),
        "channels_last": (passes, "_is_faster_with_channels_last", lambda result, *_: result),
    }
    used = ways_used(monkeypatch, watched)
    effective_receptive_field(drawn(), images(), ["2", "8", "11"], **COARSE)
    assert used == watched.keys()


def test_the_network_s_own_precision_is_what_it_was(monkeypatch):
    made = drawn()
    before = effective_receptive_field(made, images())
    effective_receptive_field(made, images(), **COARSE)
    monkeypatch.setattr(torch, "autocast", None)
    after, said = (
        effective_receptive_field(made, images()),
        effective_receptive_field(made, images(), precision="as_is"),
    )
    for imap in (after, said):
        np.testing.assert_array_equal(imap.values, before.values)
        assert imap.diagnostics == before.diagnostics == ()
        assert imap.precision == "as_is"


def test_the_other_precision_does_not_make_the_first_one_be_looked_for_again(monkeypatch):
    made, searches = drawn(), []
    monkeypatch.setattr(prepared, "crops", lambda *given: searches.append(given) or cropping.crops(*given))
    for precision in ("as_is", "bfloat16", "as_is", "bfloat16"):
        effective_receptive_field(made, images(), precision=precision)
    assert len(searches) == 2


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_behind(fails):
    made = drawn().train()
    made[0].weight.grad = torch.ones_like(made[0].weight)
    tensors = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    random, given = torch.get_rng_state(), images()
    if fails:
        made.append(FailsInBfloat16())
        with pytest.raises(InvalidInput, match="not for me"):
            effective_receptive_field(made, given, **COARSE)
    else:
        effective_receptive_field(made, given, **COARSE)
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in made.state_dict().items())
    assert {tensor.dtype for tensor in made.parameters()} == {torch.float32}
    assert [parameter.grad is None for parameter in made.parameters()].count(False) == 1
    assert made[0].weight.grad.eq(1).all()
    assert all(module.training for module in made.modules())
    assert all(parameter.requires_grad for parameter in made.parameters())
    assert not any("forward" in vars(module) or module._forward_hooks for module in made.modules())
    assert not torch.is_autocast_enabled("cpu")
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(given, images())


def test_its_error_is_that_of_image_0():
    made = drawn()
    own = effective_receptive_field(made, images(1), "11")
    coarse = effective_receptive_field(made, images(1), "11", **COARSE)
    assert coarse.findings == (error_of(coarse.values, own.values, own.center),)
    share = np.abs(coarse.values - own.values).sum() / own.values.sum()
    assert f"differs by {share:.2%} of its sum".replace("%", " %") in coarse.diagnostics[-1]
    assert 1e-4 < share < 0.05
    of_three = effective_receptive_field(made, images(3), "11", batch_size=2, **COARSE)
    assert of_three.findings == coarse.findings
    assert effective_receptive_field(made, images(), "11", first_sample=1, **COARSE).findings == ()


def test_the_error_by_hand():
    own, coarse = np.array([[1.0, 0.0, 2.0, 0.0, 1.0]]), np.array([[1.0, 1.0, 1.0, 0.0, 1.0]])
    said = "differs by 50.00 % of its sum, and its root mean square radius by +6.07 %"  # r^2 = 8/4 becomes 9/4
    assert said in error_of(coarse, own, (0, 2))
    assert error_of(own, own, (0, 2)).endswith("by 0.00 % of its sum, and its root mean square radius by +0.00 %")
    point = np.array([[0.0, 2.0, 0.0]])
    assert error_of(1.5 * point, point, (0, 1)).endswith("by 50.00 % of its sum")
    assert "no influence" in error_of(0 * own, 0 * own, (0, 1))


def test_what_is_drawn_anew_in_each_pass_is_no_error():
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Dropout(0.5), nn.Tanh(), nn.Conv2d(8, 8, 3))
    (finding,) = effective_receptive_field(made, images(side=16), mode="as_is", **COARSE).findings
    assert float(re.search(r"by ([\d.]+) %", finding)[1]) < 2
    first, again = (effective_receptive_field(made, images(side=16), mode="as_is", **COARSE) for _ in range(2))
    np.testing.assert_array_equal(first.values, again.values)


def test_the_bound_that_the_documentation_states():
    """Sigma within 1 % and the ERF size within 1 % on a few images: the gates of ReLU flip, but on average alike."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = torchvision.models.resnet18(weights=None).eval()
    given, layers = images(4, 128), ["layer1", "layer2"]
    own = erf.measure(made, given, layers)
    coarse = erf.measure(made, given, layers, **COARSE)
    for one, other in zip(coarse.layers, own.layers, strict=True):
        assert one.sigma == pytest.approx(other.sigma, rel=0.01)
        assert one.sigma != other.sigma
        assert one.erf_size == pytest.approx(other.erf_size, rel=0.01)


def test_channels_that_cancel_are_told_all_the_same():
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 16, 3))
    with torch.no_grad():  # a sum of 0, but not of what bfloat16 makes of the weights
        made[0].weight[:8] = 1 + torch.rand(8, 3, 3, 3) / 10
        made[0].weight[8:] = 1 + torch.rand(8, 3, 3, 3) / 10
        made[0].weight[8:] *= -made[0].weight[:8].sum(0) / made[0].weight[8:].sum(0)
    own = effective_receptive_field(made, images(side=8), aggregation="sum")
    coarse = effective_receptive_field(made, images(side=8), aggregation="sum", **COARSE)
    assert any("cancel" in finding for finding in own.findings)
    assert coarse.findings[: len(own.findings)] == own.findings


def test_influence_outside_of_the_field_is_an_error(monkeypatch):
    effective_receptive_field(field_check_network(), images(side=9)[:, :2], **COARSE)
    monkeypatch.setitem(RULES, "convolution", too_small)
    with pytest.raises(InternalError, match="has an influence of"):
        effective_receptive_field(field_check_network(), images(side=9)[:, :2], **COARSE)


def test_maps_of_different_precision_do_not_merge():
    own, coarse = (effective_receptive_field(drawn(), images(), precision=each) for each in ("as_is", "bfloat16"))
    with pytest.raises(InvalidInput, match="maps of different precision cannot be merged: as_is and bfloat16"):
        own.merge(coarse)
    other = effective_receptive_field(drawn(), images(), first_sample=3, **COARSE)
    assert coarse.merge(other).precision == "bfloat16"
    assert coarse.merge(other).findings == coarse.findings


@pytest.mark.parametrize("measure", [effective_receptive_field, erf.measure])
def test_what_it_cannot_be_is_told_in_one_line(measure):
    with pytest.raises(InvalidInput, match=r"^precision='float8' is unknown; allowed: as_is, bfloat16$"):
        measure(drawn(), images(), precision="float8")
    said = "^precision=bfloat16: allowed for networks in float32, and this one is in float64$"
    with pytest.raises(InvalidInput, match=said):
        measure(drawn().double(), images(), precision="bfloat16")
