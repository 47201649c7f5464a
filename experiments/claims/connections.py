"""Which pixels a layer reads: sparse connections (A1), fully connected layers (R2) and attention (R3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from erf.networks.attention_stack import Block
from experiments.attention import experiment as attention
from experiments.claims.row import Claims, Part
from experiments.harness.intervals import interval_text
from experiments.sparse_connections import experiment as sparse_connections
from experiments.sparse_connections.experiment import Layout

CLAIMS = Claims()


@CLAIMS.add(
    "A1",
    "as many connections, spread sparsely over a larger area, enlarge the ERF; dilation is one case",
    "As many connections, spread over a larger area, enlarge the ERF",
    "σ less the plain 3x3 stack's, in pixels, at each of the depths; mean_square maps",
    ["sparse_connections"],
)
def _a1_parts(result: sparse_connections.Result) -> Iterator[Part]:
    config = result.config
    where = f"depths {', '.join(map(str, config.depths))}; n = {config.runs} runs"
    for layout in config.layouts:
        gains = {point.depth: point.gain for point in result.of_layout(layout) if point.gain is not None}
        if layout is not Layout.adjacent:
            larger = ", ".join(interval_text(gain, 2) for gain in gains.values())
            text = f"{layout} in {config.area} x {config.area}: σ above the plain kernel's by {larger} pixels ({where})"
            by_depth = ", ".join(f"{interval_text(gain, 2)} at {depth}" for depth, gain in gains.items())
            brief = f"{layout}: {by_depth} (n = {config.runs} runs)"
            deepest = max(gains)
            answer = f"dilated, depth {deepest}: σ of the map larger by {interval_text(gains[deepest], 2)} pixels"
            holds = all(low > 0 for low, _ in gains.values())
            answer = answer if layout is Layout.dilated else ""
            yield Part(text, holds, tuple(gains.values()), brief, answer=answer)


@CLAIMS.add(
    "R2",
    "a fully connected layer sees everything, a convolution is sparse and shares weights (not the paper's own)",
    "A fully connected layer sees everything, a convolution its window (not the paper's own)",
    "share of influence outside the convolutions' field, least of all places; mean_abs maps",
    ["attention"],
)
def _r2_parts(result: attention.Result) -> Iterator[Part]:
    yield _share_part(result, Block.fully_connected, answers=True)
    yield _share_part(result, Block.none)
    for layer in result.layers:
        connected = layer.name != "convolution"
        text = f"a unit of a {layer.name} layer reads {layer.connections} of {layer.possible} values, its neighbour "
        text += "the same ones one pixel on with the same weights" if layer.shared else "has other weights"
        holds = layer.shared != connected and (layer.connections == layer.possible) == connected
        shares = "shared" if layer.shared else "other"
        brief = f"{layer.name}: {layer.connections} of {layer.possible} values, {shares} weights next to it"
        yield Part(text, holds, brief=brief)


@CLAIMS.add(
    "R3",
    "attention gives low layers a global field (not the paper's own)",
    "Attention gives low layers a field that spans the image (not the paper's own)",
    "share of influence outside the convolutions' field, least of all places; mean_abs maps, then mean_square ones",
    ["attention", "attention_mean_square"],
)
def _r3_parts(*results: attention.Result) -> Iterator[Part]:
    blocks = [block for block in results[0].config.blocks if block not in (Block.none, Block.fully_connected)]
    for result in results:  # of which the table shows the first
        for block in blocks:
            first = result is results[0]
            part = _share_part(result, block, answers=first and block is Block.self_attention)
            yield replace(part, shown=first)


def _share_part(result: attention.Result, block: Block, answers: bool = False) -> Part:
    """Return whether the share outside the TRF of all convolutions is above 0 where the field is global, else 0.

    With ``answers`` this part's number is the one that the README gives.
    """
    points = result.of_block(block)
    name = "convolutions alone" if block is Block.none else str(block)
    measured = f"{result.config.statistic}, n = {min(point.runs for point in points)} runs"
    finite = {point.trf_size for point in points} - {None}
    if not finite:
        shares = ", ".join(f"{p.outside_stack:.3g} ({_span(p.outside_stack_interval)})" for p in points)
        places = ", ".join(str(point.below) for point in points)
        text = f"{name} after {places} of {result.config.depth} convolutions: share {shares} outside the stack's field"
        intervals = tuple(point.outside_stack_interval for point in points)
        least = min(points, key=lambda point: point.outside_stack)
        share = f"{least.outside_stack:.3g} ({_span(least.outside_stack_interval)}"
        answer = f"{_percent(least)} of the influence comes from outside the field of the stack" if answers else ""
        holds = all(low > 0 for low, _ in intervals)
        return Part(f"{text} ({measured})", holds, intervals, f"{name} {share}; n = {least.runs})", answer=answer)
    outside = max(point.outside_field for point in points)
    field = ", ".join(map(str, finite))
    text = f"{name}: field of {field} pixels, share {outside:.2g} outside of it"
    if block is not Block.none:
        text += f", at most {max(point.outside_stack for point in points):.2g} outside the stack's"
    return Part(f"{text} ({measured})", outside == 0, brief=f"{name} {outside:.2g} outside its own {field} pixels")


def _percent(point: attention.Point) -> str:
    low, high = point.outside_stack_interval
    return f"{point.outside_stack:.1%} ({100 * low:.1f} to {100 * high:.1f})"


def _span(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.3g} to {interval[1]:.3g}"
