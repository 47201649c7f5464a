"""The influence of many random stacks at once is that of the plain loop over them."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st

from erf import InvalidInput, theory
from erf.data.noise import Noise
from erf.inits import Init, center_low_, center_low_profile, weight_variance
from erf.maps.statistic import Statistic
from erf.networks.conv_stack import Activation, ConvStack, Dropout
from erf.seeds import generator
from erf.stacks.both_ends import meeting_layer
from erf.stacks.stack_influence import stack_influence, stack_moments
from tests.oracles.naive_stack import naive_influence

MODULE = sys.modules["erf.stacks.stack_influence"]


def fast_influence(stack, runs=range(4), **settings):
    return torch.cat(list(stack_influence(stack, runs, dtype=torch.float64, **settings)))


def difference(a, b):
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("final_activation", [True, False])
@pytest.mark.parametrize("activation", Activation)
def test_it_is_the_plain_loop(activation, final_activation):
    stack = ConvStack(4, 5, 2, activation=activation, final_activation=final_activation)
    tolerance = 1e-12 if activation is Activation.none else 1e-10
    expected = naive_influence(stack, range(4), seed=3)
    assert difference(fast_influence(stack, seed=3), expected) < tolerance
    assert difference(naive_influence(stack, range(4), seed=3, margin=3), expected) < 1e-12


@pytest.mark.parametrize("noise", Noise)
@pytest.mark.parametrize("aggregation", ["random_sign", "sum", 2])
@pytest.mark.parametrize("kernel_size", [1, 2, 5])
def test_it_is_the_plain_loop_for_every_setting(kernel_size, aggregation, noise):
    stack = ConvStack(3, 4, kernel_size=kernel_size, activation=Activation.tanh)
    settings = {"seed": 5, "aggregation": aggregation, "noise": noise}
    assert difference(fast_influence(stack, **settings), naive_influence(stack, range(4), **settings)) < 1e-10


@pytest.mark.parametrize("init", Init)
def test_it_is_the_plain_loop_for_every_init(init):
    stack = ConvStack(3, 4, init=init, activation=Activation.leaky_relu)
    assert difference(fast_influence(stack), naive_influence(stack, range(4))) < 1e-10


LOPSIDED = ((1.0, 2.0, 0.0), (3.0, 5.0, 4.0), (0.5, 1.0, 9.0))


@pytest.mark.parametrize("dropout", Dropout)
@pytest.mark.parametrize("activation", [Activation.none, Activation.relu, Activation.tanh])
def test_it_is_the_plain_loop_with_dropout_and_a_profile(activation, dropout):
    stack = ConvStack(4, 5, 2, activation=activation, profile=LOPSIDED, dropout_rate=0.3, dropout=dropout)
    expected = naive_influence(stack, range(4), seed=3)
    assert difference(fast_influence(stack, seed=3), expected) < 1e-10
    plain = replace(stack, dropout_rate=0.0)
    assert difference(expected, naive_influence(plain, range(4), seed=3)) > 0.01


@st.composite
def stacks(draw):
    kernel_size = draw(st.integers(1, 4))
    weights = st.floats(0.1, 9)
    row = st.lists(weights, min_size=kernel_size, max_size=kernel_size).map(tuple)
    profile = st.lists(row, min_size=kernel_size, max_size=kernel_size).map(tuple)
    return ConvStack(
        draw(st.integers(1, 7)),
        draw(st.sampled_from([1, 2, 5, 17])),
        draw(st.integers(1, 3)),
        kernel_size,
        draw(st.sampled_from(Init)),
        draw(st.sampled_from([Activation.none, *Activation])),
        draw(st.booleans()),
        draw(st.none() | profile),
        draw(st.sampled_from([0.0, 0.0, 0.3])),
        draw(st.sampled_from(Dropout)),
    )


@settings(max_examples=50, phases=[Phase.generate, Phase.shrink])
@given(stacks(), st.integers(0, 9), st.integers(1, 4), st.sampled_from([1, 2**12, 2**18]), st.data())
def test_it_is_the_plain_loop_for_any_stack(stack, first, count, batch_bytes, data):
    runs = range(first, first + count)
    expected = naive_influence(stack, runs)
    met_at = data.draw(st.integers(0, stack.depth - 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODULE, "meeting_layer", lambda *_: met_at)
        patch.setattr(MODULE, "BATCH_BYTES", batch_bytes)
        event("from both ends" if MODULE._meeting_layer(stack) else "layer by layer")
        fast = fast_influence(stack, runs)
    assert fast.shape == expected.shape
    # Where signs and equal weights cancel, what is left is rounding.
    assert float((fast - expected).abs().max()) <= 1e-10 * float(expected.abs().max()) + 1e-16


@pytest.mark.parametrize("dropout", Dropout)
def test_masks_are_those_of_torch(dropout):
    stack = ConvStack(3, 50, dropout_rate=0.4, dropout=dropout)
    drawn = [stack.draw_masks(generator(seed)) for seed in range(200)]
    sides = [5, 3] if dropout is Dropout.elementwise else [1, 1]
    assert [mask.shape for mask in drawn[0]] == [(50, side, side) for side in sides]
    values = torch.cat([mask.flatten() for run in drawn for mask in run]).double()
    assert sorted(set(values.tolist())) == pytest.approx([0, 1 / 0.6])
    assert float((values == 0).double().mean()) == pytest.approx(0.4, abs=5 * np.sqrt(0.24 / len(values)))
    first, second = drawn[0]
    assert not torch.equal(first[:, :1, :1], second[:, :1, :1])
    torchs = stack.network(stack.draw_weights(generator(0)))[2].train()(torch.ones(50, 50, 20, 20))
    assert sorted(set(torchs.flatten().tolist())) == pytest.approx([0, 1 / 0.6])
    assert (torchs.flatten(2).std(2) == 0).all() == (dropout is Dropout.spatial)


@pytest.mark.parametrize("dropout", Dropout)
def test_torchs_own_dropout_scales_the_exact_map_and_leaves_its_shape(dropout):
    """One backward pass a run through nn.Dropout in train mode, whose masks are not ours."""
    stack = ConvStack(5, 16, init=Init.glorot_normal, dropout_rate=0.4, dropout=dropout)
    maps = []
    torch.manual_seed(0)
    for run in range(400):
        image = torch.zeros(1, 1, 11, 11, requires_grad=True)
        network = stack.network(stack.draw_weights(generator(run))).train()
        (g,) = torch.autograd.grad(network(image)[0, 0, 0, 0], image)
        maps.append(g[0, 0].double().numpy() ** 2)
    # Glorot keeps the total of the four inner layers; into one input channel lead 9 weights of variance 2 / (9 x 17).
    expected = theory.influence_map(stack.theory()).values * 2 / 17 * (1 / 0.6) ** 4
    error = np.std(maps, axis=0, ddof=1) / np.sqrt(400)
    assert np.abs((np.mean(maps, axis=0) - expected) / error).max() < 5


def test_a_profile_scales_the_weights_and_keeps_their_mean():
    flat, lopsided = (ConvStack(2, 3, profile=profile) for profile in (None, LOPSIDED))
    share = np.array(LOPSIDED) / np.mean(LOPSIDED)
    for init, power in [(Init.he_normal, 0.5), (Init.equal, 1)]:
        plain, scaled = (replace(s, init=init).draw_weights(generator(0)) for s in (flat, lopsided))
        for one, other in zip(plain, scaled, strict=True):
            torch.testing.assert_close(other.double(), one * torch.from_numpy(share**power), rtol=1e-6, atol=0)


def test_center_low_stacks_are_those_of_center_low_():
    stack = ConvStack(3, 4, kernel_size=5)
    squares = tuple(map(tuple, (center_low_profile((5, 5), 0.6) ** 2).tolist()))
    ours = replace(stack, profile=squares).draw_weights(generator(0))
    scaled = center_low_(stack.network(stack.draw_weights(generator(0))), 0.6).parameters()
    for one, other in zip(ours, scaled, strict=True):
        torch.testing.assert_close(one, other.detach(), rtol=1e-6, atol=1e-9)


def test_the_output_shape_and_type():
    stack = ConvStack(3, 4, input_channels=2)
    (g,) = stack_influence(stack, range(5))
    assert g.shape == (5, 2, 7, 7)
    assert g.dtype == torch.float32
    moments = stack_moments(stack, 5)
    assert moments.shape == (5, 7, 7)
    assert moments.dtype == np.float64


@pytest.mark.parametrize("activation", [Activation.none, Activation.relu])
def test_the_batch_size_does_not_matter(activation, monkeypatch):
    stack = ConvStack(5, 16, activation=activation)
    all_runs = fast_influence(stack, range(7))
    meeting = meeting_layer(5, 16, 1, 3) if activation is Activation.none else 0
    assert (meeting > 0) == (activation is Activation.none)
    values, weights = 16 * (stack.trf_size - 2 * meeting) ** 2, 5 * (16 * 3) ** 2
    for batch, expected in ((1, [1] * 7), (3, [3, 3, 1]), (6, [4, 3]), (7, [7])):
        monkeypatch.setattr(MODULE, "BATCH_BYTES", batch * (values + weights) * 8)
        assert [len(g) for g in stack_influence(stack, range(7), dtype=torch.float64)] == expected
        assert difference(fast_influence(stack, range(7)), all_runs) < 1e-12


def test_no_runs_give_no_batch():
    assert list(stack_influence(ConvStack(3, 4), range(0))) == []


@pytest.mark.parametrize("runs", [range(3, 6), range(5, 6), range(1, 7, 2)])
def test_a_run_is_the_same_in_whatever_range(runs):
    stack = ConvStack(3, 4, activation=Activation.relu)
    all_runs = fast_influence(stack, range(7), seed=1)
    assert difference(fast_influence(stack, runs, seed=1), all_runs[list(runs)]) < 1e-12


def test_runs_and_seeds_differ():
    maps = [*fast_influence(ConvStack(3, 4), range(4), seed=0), *fast_influence(ConvStack(3, 4), range(4), seed=1)]
    for i, one in enumerate(maps):
        for other in maps[:i]:
            assert difference(one, other) > 0.01


def test_float32_and_float64_draw_the_same_networks():
    stack = ConvStack(10, 8, init=Init.glorot_normal)
    single = torch.cat(list(stack_influence(stack, range(3)))).double()
    assert 0 < difference(single, fast_influence(stack, range(3))) < 1e-5


def test_global_random_numbers_are_left_alone():
    before = torch.get_rng_state()
    list(stack_influence(ConvStack(2, 4, activation=Activation.relu, init=Init.orthogonal), range(3)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("init", [init for init in Init if init is not Init.equal])
def test_the_gain_of_every_init_is_its_weights_variance(init):
    """One layer: E[g^2] at each pixel is channels times the variance of a weight."""
    moments = stack_moments(ConvStack(1, 8, 4, init=init), 500, Statistic.mean_square)
    expected = 8 * weight_variance(init, 4, 8, 9)
    error = moments.std(0, ddof=1) / np.sqrt(500)
    assert np.abs((moments.mean(0) - expected) / error).max() < 5


def test_equal_weights_give_the_exact_map():
    stack = ConvStack(6, 4, init=Init.equal)
    exact = theory.influence_map(stack.theory(), "signed_mean").values
    measured = stack_moments(stack, 2, Statistic.signed_mean, aggregation="sum", dtype=torch.float64)
    for run in measured:
        np.testing.assert_allclose(run / run.sum(), exact, rtol=0, atol=1e-7 * exact.max())


def test_statistics_of_a_run_are_those_of_its_influence():
    stack = ConvStack(3, 4, input_channels=3)
    g = naive_influence(stack, range(3), aggregation="sum").numpy()
    for statistic, moment in [
        (Statistic.mean_abs, np.abs(g)),
        (Statistic.rms, g**2),
        (Statistic.mean_square, g**2),
        (Statistic.signed_mean, g),
    ]:
        moments = stack_moments(stack, 3, statistic, aggregation="sum", dtype=torch.float64)
        np.testing.assert_allclose(moments, moment.mean(1), rtol=0, atol=1e-12 * np.abs(moment).max())


def test_a_final_relu_closes_one_channel_in_half_of_the_runs():
    moments = stack_moments(ConvStack(2, 4, activation=Activation.relu), 400, aggregation=0)
    skipped = (~moments.any(axis=(1, 2))).sum()
    assert abs(skipped - 200) < 4 * np.sqrt(400 / 4)
    open_ones = ConvStack(2, 4, activation=Activation.relu, final_activation=False)
    assert stack_moments(open_ones, 400, aggregation=0).any(axis=(1, 2)).all()


def test_an_overflow_names_the_run(monkeypatch):
    monkeypatch.setattr(MODULE, "BATCH_BYTES", 1)
    stack = ConvStack(4, 4)
    draw, drawn = ConvStack.draw_weights_of_runs, []

    def explode(self, generators):
        drawn.extend(generators)
        return [w * (1e12 if len(drawn) == 4 else 1) for w in draw(self, generators)]

    monkeypatch.setattr(ConvStack, "draw_weights_of_runs", explode)
    with pytest.raises(InvalidInput, match=r"run 5: .* 4 layers with init he_normal overflowed float32"):
        list(stack_influence(stack, range(2, 9)))


@pytest.mark.parametrize("activation", [Activation.none, Activation.relu])
def test_what_it_yields_may_be_changed_and_used_by_autograd(activation):
    for g in stack_influence(ConvStack(3, 4, activation=activation), range(2)):
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
        scale = torch.ones((), requires_grad=True)
        (g.abs_() * scale).sum().backward()
        assert scale.grad == g.sum() > 0


def test_float64_holds_what_float32_does_not():
    stack = ConvStack(80, 2, kernel_size=1, input_channels=1, init=Init.he_normal)
    scaled = [1e1] * 80

    class Loud(ConvStack):
        def draw_weights_of_runs(self, generators):
            return [w * s for w, s in zip(super().draw_weights_of_runs(generators), scaled, strict=True)]

    loud = Loud(stack.depth, stack.channels, kernel_size=1)
    with pytest.raises(InvalidInput, match="overflowed float32"):
        stack_moments(loud, 2)
    assert np.isfinite(stack_moments(loud, 2, dtype=torch.float64)).all()


@pytest.mark.parametrize(
    ("aggregation", "statistic", "message"),
    [
        (4, Statistic.rms, "channels 0 to 3"),
        (-1, Statistic.rms, "channels 0 to 3"),
        ("mean", Statistic.rms, "aggregation='mean' is unknown"),
        ("random_sign", Statistic.signed_mean, "signed_mean of randomly signed channels"),
    ],
)
def test_bad_aggregation(aggregation, statistic, message):
    with pytest.raises(InvalidInput, match=message):
        stack_moments(ConvStack(2, 4), 2, statistic, aggregation=aggregation)
