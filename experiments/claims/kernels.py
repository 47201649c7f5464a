"""Sections 2.3 and 4, the weights of a kernel: sums of steps, the centre-low init, the Gaussian limit (T3, I1, I3)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise

from experiments import kernels
from experiments.claims.row import Claim, Part, claim, inside
from experiments.kernels import Result

# Deeper, the few runs of largest gain outweigh all others at a map's corners, and a standard error means little.
DEEPEST = 15


def _t3_parts(result: Result) -> Iterator[Part]:
    exact = max(f.exact_difference for f in result.fixed)
    kernels = f"n = {len(result.fixed)} kernels"
    yield Part(f"fixed kernels: exact map within {exact:.0e} of the peak from whole numbers ({kernels})", exact < 1e-9)
    measured = max(f.measured_difference for f in result.fixed)
    # T1's tolerance: weights are drawn in float32.
    yield Part(f"back-propagated within {measured:.0e}, by rounding of the weights to float32", measured < 1e-5)
    variance = max(f.variance_difference for f in result.fixed)
    yield Part(f"variance n Var[w] within {variance:.0e}", variance < 1e-9)
    stacks = [r for r in result.random if r.depth <= DEEPEST]
    deviation = max(r.largest_deviation for r in stacks)
    text = f"random weights: no pixel more than {deviation:.1f} standard errors from theory up to depth {DEEPEST}"
    yield Part(f"{text} (n = {result.config.runs} runs, {len(stacks)} stacks)", deviation <= 5)


def _i1_parts(result: Result) -> Iterator[Part]:
    for size in result.config.kernel_sizes:
        found = result.of_size(size)
        last = found[-1]
        low, high = last.gain_interval
        text = f"{size}x{size}: σ grows up to {last.gain:.3f}-fold ({low:.3f} to {high:.3f}; "
        yield Part(
            f"{text}n = {result.config.runs} runs), at every step of strength",
            all(s.step is None or s.step[0] > 0 for s in found),
            tuple(s.gain_interval for s in found),
        )
        ends = [(s.gain_interval[0] / s.predicted_gain, s.gain_interval[1] / s.predicted_gain) for s in found]
        widest = (min(low for low, _ in ends), max(high for _, high in ends))
        text = f"gain over prediction {widest[0]:.3f} to {widest[1]:.3f}"
        yield Part(text, all(inside(interval, 0.98, 1.02) for interval in ends))


def _i3_parts(result: Result) -> Iterator[Part]:
    depths = result.config.depths
    falling = [all(later < earlier for earlier, later in pairwise(d.fixed)) for d in result.distances]
    first, last = (max(d.fixed[at] for d in result.distances) for at in (0, -1))
    text = f"fixed kernels: Kolmogorov's distance falls at every step from depth {depths[0]} to {depths[-1]}"
    text += f" for {sum(falling)} of {len(falling)} kernels, the largest from {first:.3f} to {last:.3f}"
    yield Part(text, all(falling))
    for d in result.distances:
        if d.random and d.exponent is not None and d.exponent_interval:
            low, high = d.exponent_interval
            n = f"n = {result.config.runs} runs"
            text = f"{d.profile} {d.kernel_size}x{d.kernel_size}, random: like depth^{d.exponent:.2f}"
            yield Part(f"{text} ({low:.2f} to {high:.2f}; {n})", high < 0, (d.exponent_interval,))


_kernels = partial(claim, run="kernels", kind=kernels.Result)

CLAIMS: tuple[Claim, ...] = (
    _kernels("T3", "any positive kernel w: a sum of n steps drawn from w, σ = √(n Var[w]), Gaussian", parts=_t3_parts),
    _kernels("I1", "weights scaled down in the kernel's centre and up outside enlarge the ERF", parts=_i1_parts),
    _kernels("I3", "whatever w is, the ERF stays Gaussian", parts=_i3_parts),
)
