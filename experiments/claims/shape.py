"""Figure 1 and its inset: the shape of ERFs (F1, F1b)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from experiments import gaussian_shape, nonlinearities
from experiments.claims.row import Claim, Part, claim, meets
from experiments.intervals import difference_interval, interval_text
from experiments.stacks import Kind


def _f1_parts(result: gaussian_shape.Result) -> Iterator[Part]:
    depth = result.config.group_depth
    uniform = result.panel(Kind.uniform, depth).r_squared
    yield Part(f"depth {depth}: uniform r² = {uniform:.5f}", uniform > 0.9998)
    fall = next(fall for fall in result.falls if fall.kind is Kind.random)
    text = f"random: 1 - r² falls like runs^{fall.exponent:.2f} ({interval_text(fall.interval, 2)}), less theory's own"
    text += f" like runs^{fall.noise_exponent:.2f} ({interval_text(fall.noise_interval, 2)})"
    yield Part(text, meets(fall.interval, -1.1, -0.9), (fall.interval,))
    many = [g for g in result.of_kind(Kind.random) if g.runs >= 200]
    text = ", ".join(f"{g.r_squared:.4f} of {g.runs} runs (n = {g.groups} groups)" for g in many)
    yield Part(f"random r² = {text}", all(g.r_squared > 0.99 for g in many))
    random = {g.runs: g.r_squared for g in result.of_kind(Kind.random)}
    relu = {g.runs: g.r_squared for g in result.of_kind(Kind.relu)}
    text = ", ".join(f"{relu[runs]:.4f} against {random[runs]:.4f} of {runs} runs" for runs in relu)
    yield Part(f"ReLU below random: {text}", all(relu[runs] < random[runs] for runs in relu))


def _f1b_parts(result: nonlinearities.Result) -> Iterator[Part]:
    few, many = result.config.fewer_runs, result.config.runs
    for kind in (Kind.relu, Kind.tanh, Kind.sigmoid):
        fits = result.of_kind(kind)
        text = f"{kind}: r² {np.mean(fits.fewer_r_squared):.3f} at {few} runs, {np.mean(fits.r_squared):.3f} at {many}"
        text += f" (gain {interval_text(fits.gain, 3)}, n = {len(fits.r_squared)} groups)"
        yield Part(text, fits.gain[0] > 0, (fits.gain,))
    relu = result.of_kind(Kind.relu)
    for kind in (Kind.tanh, Kind.sigmoid):
        gap = difference_interval(result.of_kind(kind).r_squared, relu.r_squared)
        yield Part(
            f"{kind} above ReLU by {interval_text(gap, 4)}", gap is not None and gap[0] > 0, (gap,) if gap else ()
        )


CLAIMS: tuple[Claim, ...] = (
    claim(
        "F1",
        "ERFs of uniform and random 3x3 stacks are Gaussian, with ReLU less so (20 runs)",
        "gaussian_shape",
        gaussian_shape.Result,
        _f1_parts,
    ),
    claim(
        "F1b",
        "20 layers with ReLU, tanh or sigmoid: the mean of 100 runs is more Gaussian",
        "nonlinearities",
        nonlinearities.Result,
        _f1b_parts,
    ),
)
