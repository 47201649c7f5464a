"""What shapes an ERF: subsampling and dilation (F2b), and these, skip connections and dropout (T5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from erf.networks.conv_stack import Dropout
from experiments.claims.row import Claims, Part, inside
from experiments.dropout import experiment as dropout
from experiments.harness.intervals import interval_text
from experiments.skip_connections import experiment as skip_connections
from experiments.skip_connections.experiment import Design
from experiments.subsampling import experiment as subsampling
from experiments.subsampling.variants import STRIDED, Variant

CLAIMS = Claims()

BOXY = -0.3  # the excess kurtosis below which a map counts as rectangular; a box has -1.2


@CLAIMS.add(
    "F2b",
    "three of 15 layers with stride 2, or dilated by 2, 4, 8, enlarge the ERF quickly; dilation looks rectangular",
    "A few strides, or dilation, enlarge the ERF quickly",
    "ERF size over the grid's period, less the plain stack's; mean_abs maps; excess kurtosis of the marginals",
    ["subsampling"],
)
def _f2b_parts(result: subsampling.Result) -> Iterator[Part]:
    yield from _enlarged(result)
    dilated, plain = result.of_variant(Variant.dilation), result.of_variant(Variant.plain)
    text = f"excess kurtosis of the dilated map {dilated.kurtosis:.2f} ({interval_text(dilated.kurtosis_interval, 2)})"
    brief = text.replace("excess kurtosis of the dilated map", "dilated: excess kurtosis")
    text += f", of the plain one {plain.kurtosis:.2f}"
    yield Part(text, dilated.kurtosis_interval[1] < BOXY, (dilated.kurtosis_interval,), brief)


def _enlarged(result: subsampling.Result) -> Iterator[Part]:
    """Yield a part for each placement of the strides and for dilation, and one for all placements by theory."""
    plain = result.of_variant(Variant.plain)
    for variant in (*STRIDED, Variant.dilation):
        measured = result.of_variant(variant)
        assert measured.excess, "all but the plain stack have one"
        name, more = variant.replace("_", " "), interval_text(measured.excess, 1)
        text = f"{name}: ERF size {measured.size:.1f} against {plain.size:.1f}"
        text += f" (larger by {more}; n = {measured.runs} runs)"
        brief = f"{name}: larger by {more} (n = {measured.runs} runs)"
        sizes = f"{plain.size:.1f} pixels without strides, {measured.size:.1f} with three early ones"
        answer = f"{sizes} (more by {more})" if variant is STRIDED[0] else ""
        yield Part(text, measured.excess[0] > 0, (measured.excess,), brief, answer=answer)
    sizes = result.arrays["placement_sizes"]
    span = f"{sizes.min():.1f} to {sizes.max():.1f} against {plain.predicted_size:.1f}"
    text = f"theory over {len(sizes)} placements of the strides: {span}"
    yield Part(text, bool(sizes.min() > plain.predicted_size), brief=f"theory, {len(sizes)} placements: {span}")


def _shrunk(result: skip_connections.Result) -> Iterator[Part]:
    """Yield a part for each design, which holds if it does for each of the branch gains.

    The table shows those that fail, and of the others the one that is the least clear.
    """
    parts = [_shrunk_by(result, design) for design in result.config.designs]
    held = [part for part in parts if part.holds]
    least_clear = max(held, key=lambda part: max(high for _, high in part.intervals), default=None)
    yield from (replace(part, shown=part is least_clear) for part in parts)


def _shrunk_by(result: skip_connections.Result, design: Design) -> Part:
    gains = ", ".join(f"{gain:g}" for gain in result.config.gains)
    plain, points = result.plain(design), result.of_design(design)
    sizes = ", ".join(f"{point.size:.1f}" for point in points)
    excesses = {point.gain: point.excess for point in points if point.excess}
    less = {gain: interval_text((-high, -low), 1) for gain, (low, high) in excesses.items()}
    name, n = f"skips, {design.replace('_', ' ')}", f"n = {plain.runs} runs"
    text = f"{name}: {sizes} at branch gains {gains} against {plain.size:.1f}"
    unclear = [f"{point.gain:g}" for point in points if not (point.excess and point.excess[1] < 0)]
    at = f", not clearly at gain {', '.join(unclear)}" if unclear else ""
    text = f"{text} (smaller by {', '.join(less.values())}{at}; {n})"
    worst = max(excesses, key=lambda gain: excesses[gain][1])
    brief = f"{name}: smaller by {less[worst]} at gain {worst:g} ({n})"
    return Part(text, not unclear, tuple(excesses.values()), brief)


def dropout_parts(result: dropout.Result) -> Iterator[Part]:
    """Yield, for each kind of dropout, equivalence of sigma with that at rate 0 and with exact theory.

    Two one-sided tests of 2.5 % each reject both sides of the margin where the 95 % interval lies within it.
    """
    margin = dropout.MARGIN
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
            text = f"{kind} dropout, {rates}: σ of the mean_square map over {reference} {span}, margin {margin:.0%})"
            holds, brief = inside(widest, 1 - margin, 1 + margin), f"{kind} dropout: σ {span})"
            decides = kind is Dropout.elementwise and reference != "theory"
            answer = f"with dropout the map is {interval_text(widest, 3)} times as wide as without" if decides else ""
            yield Part(text, holds, tuple(intervals), brief, shown=reference != "theory", answer=answer)


@CLAIMS.add(
    "T5",
    "dropout leaves the shape; subsampling and dilation enlarge the ERF; skip connections make it smaller",
    "Dropout leaves the ERF's shape; skip connections make the ERF smaller",
    "ERF size less the plain stack's, mean_abs maps; for dropout σ of the mean_square map over that without",
    ["subsampling", "skip_connections", "dropout"],
    "a linear branch of gain 2 with He's weights carries 16 times the skip's share of E[g²]. Theory expects an ERF "
    "of 18.9 pixels instead of 19.3 there, too small a difference for 150 runs. All other parts are clear.",
)
def _t5_parts(
    subsampled: subsampling.Result, skipping: skip_connections.Result, dropped: dropout.Result
) -> Iterator[Part]:
    larger = all(part.holds for part in _enlarged(subsampled))
    yield Part("strides at every placement and dilation: larger, as F2b says", larger)
    yield from _shrunk(skipping)
    yield from dropout_parts(dropped)
