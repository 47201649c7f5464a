"""Section 2.5, dropout (a part of T5)."""

from __future__ import annotations

from collections.abc import Iterator

from erf.networks.conv_stack import Dropout
from experiments.claims.row import Part, inside
from experiments.dropout.experiment import MARGIN, Result
from experiments.harness.intervals import interval_text


def dropout_parts(result: Result) -> Iterator[Part]:
    """Yield, for each kind of dropout, equivalence of sigma with that at rate 0 and with exact theory.

    Two one-sided tests of 2.5 % each reject both sides of the margin where the 95 % interval lies within it.
    """
    for kind in Dropout:
        points = [point for point in result.of(kind, result.config.channels) if point.rate]
        rates = f"rates {points[0].rate:g} to {points[-1].rate:g}"
        widths = [point.mean_square for point in points]
        references = {
            "that without": [width.over_zero for width in widths if width.over_zero],
            "theory": [width.over_theory for width in widths],
        }
        for reference, intervals in references.items():
            widest = (min(low for low, _ in intervals), max(high for _, high in intervals))
            span = f"within {interval_text(widest, 3)} (n = {result.config.runs} runs"
            text = f"{kind} dropout, {rates}: σ of the mean_square map over {reference} {span}, margin {MARGIN:.0%})"
            holds, brief = inside(widest, 1 - MARGIN, 1 + MARGIN), f"{kind} dropout: σ {span})"
            decides = kind is Dropout.elementwise and reference != "theory"
            answer = f"with dropout the map is {interval_text(widest, 3)} times as wide as without" if decides else ""
            yield Part(text, holds, tuple(intervals), brief, shown=reference != "theory", answer=answer)
