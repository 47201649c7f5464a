"""Figure 2: growth with depth (F2)."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.claims.row import Claims, Part, meets
from experiments.erf_growth import experiment as erf_growth
from experiments.harness.intervals import interval_text
from experiments.stacks.paper_stacks import Kind

CLAIMS = Claims()


@CLAIMS.add(
    "F2",
    "ERF size grows with slope 0.56 against the TRF on a log-log plot, the ratio with -0.43 (20 runs each)",
    "The ERF grows slower than the theoretical field: slope 0.56 on a log-log plot",
    "exponent of ERF size, or of its ratio to the TRF, against the TRF over depths 5-40, or those named; mean_abs",
    ["erf_growth", "erf_growth_deep"],
    "the paper's slope of 0.56 comes out for the mean of |g| over random weights at depths 5 to 40. Uniform "
    "weights have 0.50 there, and so have random ones by the mean of g², whose map has the same shape: the number "
    "depends on the measure. The excess over 0.5 comes from small depths, where the theoretical field cuts the "
    "Gaussian off, as exact theory shows. From depth 40 on it is gone. ReLU's estimate there lies just outside "
    "0.50 ± 0.03, and its interval holds 0.5; half of its runs are 0 everywhere.",
)
def _f2_parts(paper: erf_growth.Result, deep: erf_growth.Result) -> Iterator[Part]:
    yield from _f2_paper_parts(paper)
    yield from _f2_deep_parts(deep, paper)


def _f2_paper_parts(result: erf_growth.Result) -> Iterator[Part]:
    for kind in result.config.kinds:
        n = "exact" if kind is Kind.uniform else f"n = {result.config.runs}"
        for y, low, high in (("size", 0.53, 0.59), ("ratio", -0.47, -0.41)):
            slope = result.slope(kind, y, "trf_size", erf_growth.PAPER_DEPTHS)
            assert slope is not None, "the reference run has all the paper's depths"
            exponent = f"{slope.exponent:.2f} ({interval_text(slope.interval, 2)}"
            holds, brief = meets(slope.interval, low, high), f"{kind} {y} {exponent}{f'; {n}' if y == 'size' else ''})"
            text = f"{kind} {y} slope over depths 5-40: {exponent}; {n})"
            answer = _answer(result) if kind is Kind.random and y == "size" else ""
            yield Part(text, holds, (slope.interval,), brief, shown=kind is Kind.random, answer=answer)


def _answer(result: erf_growth.Result) -> str:
    """Return the slopes of random and of uniform weights: the claim's number is that of the first alone."""
    slopes = [result.slope(kind, "size", "trf_size", erf_growth.PAPER_DEPTHS) for kind in (Kind.random, Kind.uniform)]
    texts = [f"{slope.exponent:.2f} ({interval_text(slope.interval, 2)})" for slope in slopes if slope]
    return " for random weights, ".join(texts) + " for uniform ones"


def _f2_deep_parts(result: erf_growth.Result, first: erf_growth.Result) -> Iterator[Part]:
    depths = (erf_growth.DEEP, result.config.depths[-1])
    for kind in result.config.kinds:
        slope = result.slope(kind, "size", "trf_size", depths)
        assert slope is not None, "the reference run has three large depths"
        exponent = f"{depths[0]}-{depths[1]}: {_deep_text(slope, result.config.runs)}"
        text, brief = f"{kind} size slope over depths {exponent}", f"{kind} size at {exponent}"
        at_first = _deep_at_first(kind, depths, first)
        yield Part(text, _is_root(slope), (slope.interval,), brief, kind is Kind.random, at_first=at_first)


def _deep_at_first(kind: Kind, depths: tuple[int, int], first: erf_growth.Result) -> Part | None:
    """Return what the paper's 20 runs say of large depths: the rule left the number open, and more were taken then."""
    slope = first.slope(kind, "size", "trf_size", depths)
    return slope and Part(_deep_text(slope, first.config.runs), _is_root(slope), brief=f"{slope.exponent:.3f}")


def _deep_text(slope: erf_growth.Slope, runs: int) -> str:
    n = "exact" if slope.kind is Kind.uniform else f"n = {runs}"
    return f"{slope.exponent:.3f} ({interval_text(slope.interval, 3)}; {n})"


def _is_root(slope: erf_growth.Slope) -> bool:
    return 0.47 <= slope.exponent <= 0.53
