"""Sections 2.3 and 4, the weights of a kernel: sums of steps, the center-low init, the Gaussian limit (T3, I1, I3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from experiments.claims.row import Claims, Part, inside
from experiments.claims.theory import measured_by_float32
from experiments.harness.intervals import Interval
from experiments.kernels.experiment import Result

CLAIMS = Claims()

# Deeper, the few runs of largest gain outweigh all others at a map's corners, and a standard error means little.
DEEPEST = 15


@CLAIMS.add(
    "T3",
    "any positive kernel w: a sum of n steps drawn from w, σ = √(n Var[w]), Gaussian",
    "Any positive kernel gives a sum of random steps: Gaussian, σ = √(n Var[w])",
    "largest difference over pixels from whole numbers; of mean_square maps from theory, in standard errors",
    ["kernels"],
)
def _t3_parts(result: Result) -> Iterator[Part]:
    exact = max(f.exact_difference for f in result.fixed)
    kernels = f"n = {len(result.fixed)} kernels"
    brief = f"fixed kernels: exact map within {exact:.0e} of the peak"
    answer = f"exact map differs by {exact:.0e} of the peak at most"
    yield Part(f"{brief} from whole numbers ({kernels})", exact < 1e-9, brief=f"{brief} ({kernels})", answer=answer)
    yield measured_by_float32("back-propagated", max(f.measured_difference for f in result.fixed))
    variance = max(f.variance_difference for f in result.fixed)
    yield Part(f"variance n Var[w] within {variance:.0e}", variance < 1e-9)
    yield replace(_deviation(result, DEEPEST), at_first=_deviation(result, max(result.config.depths)))


def _deviation(result: Result, deepest: int) -> Part:
    """Return whether all random stacks up to a depth are within 5 standard errors; the rule names no depth."""
    stacks = [r for r in result.random if r.depth <= deepest]
    largest = max(r.largest_deviation for r in stacks)
    n = f"n = {result.config.runs} runs, {len(stacks)} stacks"
    text = f"random weights: no pixel more than {largest:.1f} standard errors from theory up to depth {deepest} ({n})"
    return Part(text, largest <= 5, brief=f"random weights: {largest:.1f} standard errors at most ({n})")


@CLAIMS.add(
    "I1",
    "weights scaled down in the kernel's center and up outside enlarge the ERF",
    "Small weights in the kernel's center enlarge the ERF",
    "σ of the mean_square map at the largest strength over that at strength 0",
    ["kernels"],
)
def _i1_parts(result: Result) -> Iterator[Part]:
    widest_ends = {size: _over_prediction(result, size) for size in result.config.kernel_sizes}
    worst = max(widest_ends, key=lambda size: max(abs(end - 1) for end in widest_ends[size]))
    smallest = min(widest_ends)
    for size, widest in widest_ends.items():
        strengths = result.of_size(size)
        last = strengths[-1]
        low, high = last.gain_interval
        answer = f"{size}x{size}: {last.gain:.3f} times as wide ({low:.3f} to {high:.3f})"
        gain = f"{last.gain:.3f}-fold ({low:.3f} to {high:.3f}; n = {result.config.runs} runs)"
        yield Part(
            f"{size}x{size}: σ grows up to {gain}, at every step of strength",
            all(s.step is None or s.step[0] > 0 for s in strengths),
            tuple(s.gain_interval for s in strengths),
            f"{size}x{size}: {gain}",
            answer=answer if size == smallest else "",
        )
        text = f"gain over prediction {widest[0]:.3f} to {widest[1]:.3f}"
        yield Part(text, inside(widest, 0.98, 1.02), brief=f"{size}x{size}: {text}", shown=size == worst)


def _over_prediction(result: Result, size: int) -> Interval:
    """Return the ends of all intervals of gain over prediction at one kernel size."""
    ends = [end / s.predicted_gain for s in result.of_size(size) for end in s.gain_interval]
    return min(ends), max(ends)


@CLAIMS.add(
    "I3",
    "whatever w is, the ERF stays Gaussian",
    "The ERF becomes Gaussian whatever the kernel is",
    "Kolmogorov's distance of the map's marginal from the normal distribution; mean_square maps",
    ["kernels"],
)
def _i3_parts(result: Result) -> Iterator[Part]:
    depths = result.config.depths
    falling = [all(later < earlier for earlier, later in pairwise(d.fixed)) for d in result.distances]
    first, last = (max(d.fixed[at] for d in result.distances) for at in (0, -1))
    falls = f"falls from depth {depths[0]} to {depths[-1]} for {sum(falling)} of {len(falling)} kernels"
    text = f"fixed kernels: Kolmogorov's distance {falls.replace('falls', 'falls at every step')}"
    text += f", the largest from {first:.3f} to {last:.3f}"
    yield Part(text, all(falling), brief=f"fixed weights: {falls}, the largest from {first:.3f} to {last:.3f}")
    fitted = [(d, d.exponent, d.exponent_interval) for d in result.distances if d.random]
    measured = [(d, exponent, ends) for d, exponent, ends in fitted if exponent is not None and ends]
    slowest = max((ends[1] for *_, ends in measured), default=0.0)
    for d, exponent, ends in measured:
        text = f"{d.profile} {d.kernel_size}x{d.kernel_size}, random: like depth^{exponent:.2f}"
        text += f" ({ends[0]:.2f} to {ends[1]:.2f}; n = {result.config.runs} runs)"
        brief = text.replace(", random", ", random weights, the slowest") if ends[1] == slowest else ""
        fall = f"the distance from a Gaussian falls like depth^{exponent:.2f} ({ends[0]:.2f} to {ends[1]:.2f})"
        answer = fall if ends[1] == slowest else ""
        yield Part(text, ends[1] < 0, (ends,), brief, shown=ends[1] == slowest, answer=answer)
