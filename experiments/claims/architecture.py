"""What shapes an ERF: subsampling and dilation (F2b), and these, skip connections and dropout (T5)."""

from __future__ import annotations

from collections.abc import Iterator

from experiments import dropout, skip_connections, subsampling
from experiments.claims.dropout import dropout_parts
from experiments.claims.row import Claim, Part, claim, claim_of_runs
from experiments.intervals import interval_text
from experiments.subsampling import STRIDED, Variant

BOXY = -0.3  # the excess kurtosis below which a map counts as rectangular; a box has -1.2


def _f2b_parts(result: subsampling.Result) -> Iterator[Part]:
    yield from _enlarged(result)
    dilated, plain = result.of_variant(Variant.dilation), result.of_variant(Variant.plain)
    text = f"excess kurtosis of the dilated map {dilated.kurtosis:.2f} ({interval_text(dilated.kurtosis_interval, 2)})"
    text += f", of the plain one {plain.kurtosis:.2f}"
    yield Part(text, dilated.kurtosis_interval[1] < BOXY, (dilated.kurtosis_interval,))


def _enlarged(result: subsampling.Result) -> Iterator[Part]:
    """Yield a part for each placement of the strides and for dilation, and one for all placements by theory."""
    plain = result.of_variant(Variant.plain)
    for variant in (*STRIDED, Variant.dilation):
        measured = result.of_variant(variant)
        assert measured.excess, "all but the plain stack have one"
        text = f"{variant.replace('_', ' ')}: ERF size {measured.size:.1f} against {plain.size:.1f}"
        text += f" (larger by {interval_text(measured.excess, 1)}; n = {measured.runs} runs)"
        yield Part(text, measured.excess[0] > 0, (measured.excess,))
    sizes = result.arrays["placement_sizes"]
    text = f"theory over {len(sizes)} placements of the strides: {sizes.min():.1f} to {sizes.max():.1f}"
    yield Part(f"{text} against {plain.predicted_size:.1f}", bool(sizes.min() > plain.predicted_size))


def _shrunk(result: skip_connections.Result) -> Iterator[Part]:
    """Yield a part for each design, which holds if it does for each of the branch gains."""
    gains = ", ".join(f"{gain:g}" for gain in result.config.gains)
    for design in result.config.designs:
        plain, points = result.plain(design), result.of_design(design)
        sizes = ", ".join(f"{point.size:.1f}" for point in points)
        excesses = tuple(point.excess for point in points if point.excess)
        less = ", ".join(interval_text((-high, -low), 1) for low, high in excesses)
        text = f"skips, {design.replace('_', ' ')}: {sizes} at branch gains {gains} against {plain.size:.1f}"
        unclear = [f"{point.gain:g}" for point in points if not (point.excess and point.excess[1] < 0)]
        at = f", not clearly at gain {', '.join(unclear)}" if unclear else ""
        yield Part(f"{text} (smaller by {less}{at}; n = {plain.runs} runs)", not unclear, excesses)


def _t5_parts(
    subsampled: subsampling.Result, skipping: skip_connections.Result, dropped: dropout.Result
) -> Iterator[Part]:
    larger = all(part.holds for part in _enlarged(subsampled))
    yield Part("strides at every placement and dilation: larger, as F2b says", larger)
    yield from _shrunk(skipping)
    yield from dropout_parts(dropped)


CLAIMS: tuple[Claim, ...] = (
    claim(
        "F2b",
        "three of 15 layers with stride 2, or dilated by 2, 4, 8, enlarge the ERF quickly; dilation looks rectangular",
        "subsampling",
        subsampling.Result,
        _f2b_parts,
    ),
    claim_of_runs(
        "T5",
        "dropout leaves the shape; subsampling and dilation enlarge the ERF; skip connections make it smaller",
        {"subsampling": subsampling.Result, "skip_connections": skip_connections.Result, "dropout": dropout.Result},
        _t5_parts,
    ),
)
