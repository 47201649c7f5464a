"""Figure 2: growth with depth (F2)."""

from __future__ import annotations

from collections.abc import Iterator

from experiments import erf_growth
from experiments.claims.row import Claim, Part, claim_of_runs, meets
from experiments.intervals import interval_text
from experiments.stacks import Kind


def _f2_parts(paper: erf_growth.Result, deep: erf_growth.Result) -> Iterator[Part]:
    yield from _f2_paper_parts(paper)
    yield from _f2_deep_parts(deep)


def _f2_paper_parts(result: erf_growth.Result) -> Iterator[Part]:
    for kind in result.config.kinds:
        n = "exact" if kind is Kind.uniform else f"n = {result.config.runs} runs"
        for y, low, high in (("size", 0.53, 0.59), ("ratio", -0.47, -0.41)):
            slope = result.slope(kind, y, "trf_size", erf_growth.PAPER_DEPTHS)
            assert slope is not None, "the reference run has all the paper's depths"
            text = f"{kind} {y} slope over depths 5-40: {slope.exponent:.2f} ({interval_text(slope.interval, 2)}; {n})"
            yield Part(text, meets(slope.interval, low, high), (slope.interval,))


def _f2_deep_parts(result: erf_growth.Result) -> Iterator[Part]:
    depths = (erf_growth.DEEP, result.config.depths[-1])
    for kind in result.config.kinds:
        n = "exact" if kind is Kind.uniform else f"n = {result.config.runs} runs"
        slope = result.slope(kind, "size", "trf_size", depths)
        assert slope is not None, "the reference run has three large depths"
        text = f"{kind} size slope over depths {depths[0]}-{depths[1]}: {slope.exponent:.3f}"
        holds = 0.47 <= slope.exponent <= 0.53
        yield Part(f"{text} ({interval_text(slope.interval, 3)}; {n})", holds, (slope.interval,))


CLAIMS: tuple[Claim, ...] = (
    claim_of_runs(
        "F2",
        "ERF size grows with slope 0.56 against the TRF on a log-log plot, the ratio with -0.43 (20 runs each)",
        {"erf_growth": erf_growth.Result, "erf_growth_deep": erf_growth.Result},
        _f2_parts,
    ),
)
