"""What one call found is used by the next, unless the network has changed: the map is then that of a fresh network."""

import gc

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from erf import effective_receptive_field
from erf.maps import effective_field, prepared
from erf.maps.graph import graph_of
from tests.erf.hard_cases import Forward


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
    ).eval()


def images(count=1, side=96):
    return torch.randn(count, 1, side, side, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def searches(monkeypatch):
    """Count how often parts are looked for."""
    made = []

    def noted(*given):
        made.append(given)
        return crops(*given)

    crops = prepared.crops
    monkeypatch.setattr(prepared, "crops", noted)
    return made


def assert_same(one, other):
    np.testing.assert_array_equal(one.values, other.values)
    assert (one.center, one.trf_box, one.jump, one.diagnostics) == (
        other.center,
        other.trf_box,
        other.jump,
        other.diagnostics,
    )


def test_the_second_call_looks_for_nothing_and_gives_the_same(searches):
    made = network()
    first = effective_receptive_field(made, images(), "3")
    assert_same(effective_receptive_field(made, images(), "3"), first)
    assert len(searches) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"layer": "1"},
        {"unit": (3, 4)},
        {"mode": "as_is"},
        {"images": images(2)},
        {"images": images(side=80)},
    ],
    ids=str,
)
def test_what_is_asked_otherwise_is_found_anew(other, searches):
    made, asked = network(), {"images": images(), "layer": "3"}
    effective_receptive_field(made, **asked)
    assert_same(
        effective_receptive_field(made, **(asked | other)), effective_receptive_field(network(), **(asked | other))
    )
    assert len(searches) == 3


def widen(made):
    made[3].dilation, made[3].padding = (5, 5), (5, 5)


def enlarge(made):
    torch.manual_seed(1)
    made[3] = nn.Conv2d(4, 4, 7, padding=3)


def enlarge_pool(made):
    made[2].kernel_size, made[2].padding = 4, 1


def add_a_way(made):
    made[1].forward = lambda x: torch.tanh(x) + F.max_pool2d(x, 9, 1, 4)


def hook_a_way(made):
    made[1].register_forward_hook(lambda _module, _inputs, output: output + output.roll(20, -1))


def exchange(made):
    made[1] = nn.Sequential(nn.Tanh(), nn.AvgPool2d(5, 1, 2))


CHANGES = [widen, enlarge, enlarge_pool, add_a_way, hook_a_way, exchange]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_network_is_measured_as_a_fresh_one_is(change, count):
    made, fresh = network(), network()
    before = effective_receptive_field(made, images(count), "3")
    change(made), change(fresh)
    changed = effective_receptive_field(made, images(count), "3")
    assert_same(changed, effective_receptive_field(fresh, images(count), "3"))
    assert (changed.values > 0).sum() > (before.values > 0).sum()


def test_weights_may_change():
    made, fresh = network(), network()
    effective_receptive_field(made, images(), "3")
    with torch.no_grad():
        for each in (made, fresh):
            each[0].weight.mul_(2)
            each[3].weight.zero_()
    again = effective_receptive_field(made, images(), "3")
    assert_same(again, effective_receptive_field(fresh, images(), "3"))
    assert any("zero weights" in each for each in again.diagnostics)


def test_another_precision_is_measured_as_that_of_a_fresh_network():
    """Batch norm is folded in float32, and in bfloat16 not."""

    def normalized():
        torch.manual_seed(0)
        norm = nn.BatchNorm2d(4)
        nn.init.uniform_(norm.running_var, 0.2, 0.9)
        return nn.Sequential(nn.Conv2d(1, 4, 3), norm, nn.Tanh(), nn.Conv2d(4, 4, 3)).eval()

    made, fresh = normalized(), normalized().bfloat16()
    effective_receptive_field(made, images())
    assert_same(effective_receptive_field(made.bfloat16(), images()), effective_receptive_field(fresh, images()))


def gated_by_the_middle(x, a, b):
    return torch.tanh(a(x)) * F.avg_pool2d(b(x).detach(), 3, 1, 1)


def gated_by_all(x, a, b):
    return torch.tanh(a(x)) * b(x).detach().mean((2, 3), keepdim=True)


def small_only(x, a, b):
    return torch.tanh(a(x)) + b(x)


def large_too(x, a, b):
    return small_only(x, a, b) if x.shape[-1] < 90 else small_only(F.avg_pool2d(x, 21, 1, 10), a, b)


@pytest.mark.parametrize("forwards", [(gated_by_the_middle, gated_by_all), (small_only, large_too)])
def test_what_the_graph_does_not_show_is_a_setting(forwards):
    made, fresh = (Forward(forwards[0], *(nn.Conv2d(1, 1, 3, padding=1) for _ in range(2))).eval() for _ in range(2))
    fresh.load_state_dict(made.state_dict())
    before = effective_receptive_field(made, images())
    made._forward = fresh._forward = forwards[1]
    changed = effective_receptive_field(made, images())
    assert_same(changed, effective_receptive_field(fresh, images()))
    assert changed.trf_box != before.trf_box


class Normalized(nn.Module):
    """Batch norm below or above a convolution, or nowhere: with it folded, autograd notes convolutions only."""

    order = 0, 1, 2

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        norm = nn.BatchNorm2d(4)
        nn.init.normal_(norm.weight), nn.init.normal_(norm.running_mean)
        self.layers = nn.ModuleList([nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), norm])

    def forward(self, x):
        for number in Normalized.order:
            x = self.layers[number](x)
        return torch.tanh(x)


@pytest.mark.parametrize("order", [(0, 2, 1), (0, 1)])
def test_a_folded_batch_norm_is_seen_where_it_is_read(order, monkeypatch):
    made = Normalized().eval()
    effective_receptive_field(made, images())
    monkeypatch.setattr(Normalized, "order", order)
    assert_same(effective_receptive_field(made, images()), effective_receptive_field(Normalized().eval(), images()))


class Globally(nn.Module):
    dilation = 1

    def forward(self, x):
        return F.conv2d(x, torch.ones(1, 1, 3, 3), dilation=Globally.dilation)


def test_what_no_module_shows_is_seen_as_well(monkeypatch):
    made = Globally()
    assert (effective_receptive_field(made, images()).values > 0).sum() == 9
    monkeypatch.setattr(Globally, "dilation", 7)
    changed = effective_receptive_field(made, images())
    assert changed.trf_size == (15, 15)
    assert (changed.values > 0).sum() == 9


def test_what_reads_where_values_say_is_not_remembered(searches):
    places = torch.arange(90)
    made = Forward(lambda x, a: a(x)[..., places], nn.Conv2d(1, 1, 3, padding=1))
    assert graph_of([made(images().requires_grad_())]) is None
    first = effective_receptive_field(made, images(), unit=(40, 40))
    places.add_(5)
    assert effective_receptive_field(made, images(), unit=(40, 40)).center[1] == first.center[1] + 5
    assert len(searches) == 2


def test_a_network_that_begins_to_mix_its_images_is_measured_one_by_one():
    def mixing(x):
        return torch.tanh(x) + x.mean(0, keepdim=True)

    made, fresh = network(), network()
    effective_receptive_field(made, images(3), "3")
    made[1].forward = fresh[1].forward = mixing
    changed = effective_receptive_field(made, images(3), "3")
    assert_same(changed, effective_receptive_field(fresh, images(3), "3"))
    assert any("mix" in each for each in changed.diagnostics)


def test_no_more_than_the_latest_and_nothing_of_a_network_that_is_gone():
    made = network()
    gc.collect()
    before = len(prepared._remembered)
    for side in range(20, 20 + 3 * prepared.REMEMBERED, 2):
        effective_receptive_field(made, images(side=side), "3")
    assert len(prepared._remembered[made]) == prepared.REMEMBERED
    assert len(prepared._remembered) == before + 1
    del made
    gc.collect()
    assert len(prepared._remembered) == before


def test_it_can_be_switched_off(monkeypatch, searches):
    monkeypatch.setattr(effective_field, "Remembered", prepared.Prepared)
    made = network()
    for _ in range(2):
        effective_receptive_field(made, images(), "3")
    assert len(searches) == 2


@pytest.mark.parametrize("change", [None, *CHANGES])
def test_graphs_are_equal_only_where_passes_are(change):
    one, other = network(), network()
    if change:
        change(other)
    graphs = [graph_of([made(images().requires_grad_())]) for made in (one, other)]
    shapes = [[weight.shape for weight in made.parameters()] for made in (one, other)]
    assert graphs[0] is not None
    assert ((graphs[0], shapes[0]) == (graphs[1], shapes[1])) == (change is None)
