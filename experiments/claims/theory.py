"""Sections 2.1, 2.2 and 2.4, and the recursion of theoretical receptive fields (T1, T2, T4, R1)."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.claims.row import Claims, Part, inside
from experiments.exact_theory import experiment as exact_theory
from experiments.stacks.paper_stacks import Kind

CLAIMS = Claims()


@CLAIMS.add(
    "T1",
    "uniform kernels give extended binomial coefficients",
    "With uniform weights the ERF is a row of binomial coefficients",
    "largest difference over pixels from whole numbers, in units of the peak",
    ["exact_theory"],
)
def _t1_parts(result: exact_theory.Result) -> Iterator[Part]:
    exact = max(u.exact_difference for u in result.uniform)
    measured = max(u.measured_difference for u in result.uniform)
    text = f"exact map within {exact:.0e} of the peak"
    answer = f"exact map differs by {exact:.0e} of the peak at most"
    yield Part(f"{text} (n = {len(result.uniform)} stacks)", exact < 1e-9, answer=answer)
    yield measured_by_float32("measured map", measured)


def measured_by_float32(name: str, difference: float) -> Part:
    """Return whether a map of fixed weights, whose runs have no spread, is as exact as float32 weights let it be.

    Each weight is off by up to 2^-24 of itself, 40 layers of it by up to 2.4e-6. The rule left this tolerance open; its
    only other one is that of exact maps.
    """
    text = f"{name} within {difference:.0e}"
    at_first = Part("within 1e-9", difference < 1e-9)
    return Part(f"{text}, by rounding of the weights to float32", difference < 1e-5, brief=text, at_first=at_first)


@CLAIMS.add(
    "T2",
    "random weights: Var[g] is the n-fold convolution of the weight variances",
    "With random weights the gradient's variance is a convolution of the weights' variances",
    "largest difference over pixels of the mean_square map from theory, in standard errors over runs",
    ["exact_theory"],
)
def _t2_parts(result: exact_theory.Result) -> Iterator[Part]:
    random = result.of_kind(Kind.random)
    answer = f"no pixel more than {random.largest_deviation:.1f} standard errors from theory"
    text = f"depth {random.depth}: {answer} (n = {random.runs} runs)"
    yield Part(text, random.largest_deviation <= 5, answer=answer)


@CLAIMS.add(
    "T4",
    "ReLU scales the variance by a constant and leaves its shape",
    "ReLU leaves the shape of that variance as it is",
    "σ of the mean_square map over the linear stack's, by theory",
    ["exact_theory"],
)
def _t4_parts(result: exact_theory.Result) -> Iterator[Part]:
    relu = result.of_kind(Kind.relu)
    low, high = (end / relu.predicted_sigma for end in relu.sigma_interval)
    text = f"σ of the mean_square map over the linear one's: {relu.sigma / relu.predicted_sigma:.4f}"
    text += f" ({low:.4f} to {high:.4f}; n = {relu.runs} runs)"
    answer = f"with ReLU the map is {relu.sigma / relu.predicted_sigma:.4f} times as wide ({low:.4f} to {high:.4f})"
    yield Part(text, inside((low, high), 0.97, 1.03), ((low, high),), answer=answer)


@CLAIMS.add(
    "R1",
    "the recursion of theoretical receptive fields: 3, 5, 7, 9, 10",
    "Theoretical fields follow a recursion over the layers",
    "theoretical receptive field, layer by layer; exact",
    ["exact_theory"],
)
def _r1_parts(result: exact_theory.Result) -> Iterator[Part]:
    sizes = result.example_trf_sizes
    text = f"the worked example gives {', '.join(map(str, sizes))}"
    yield Part(text, sizes == exact_theory.EXAMPLE_TRF_SIZES, answer=text)
