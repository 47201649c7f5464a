"""Figure 2 of the paper: ERF size and ratio over depth, and where the excess of the slope over 0.5 comes from."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.erf_growth.experiment import PAPER_DEPTHS, PAPER_SLOPES, Result
from experiments.harness.style import KIND_COLOURS, KIND_LABELS, bar_lengths, log_log, new_figure
from experiments.stacks.paper_stacks import Kind

CAPTION = (
    "ERF size: root of the number of pixels above 4.55 % of the center (section 3.1). Statistic {statistic}, "
    "{runs} runs a point, seed {seed}; bars: 95 % over runs; lines: exact theory (mean_abs: of wide layers)."
)
SIZE_TICKS, RATIO_TICKS = (2, 5, 10, 20, 30, 50, 100, 200), (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1)


def draw(result: Result) -> Figure:
    """Draw sizes and ratios against the TRF, sizes against the root of the depth, and theory's local slope."""
    figure = new_figure(11, 8.6)
    (size, ratio), (root, local) = figure.subplots(2, 2)
    _draw_against_trf(size, result, "size")
    _draw_against_trf(ratio, result, "ratio")
    _draw_against_root(root, result)
    _draw_local_slope(local, result)
    config = result.config
    figure.supxlabel(
        CAPTION.format(statistic=config.statistic, runs=config.runs, seed=config.seed), fontsize=8, wrap=True
    )
    return figure


def _draw_against_trf(axes: Axes, result: Result, y: str) -> None:
    for kind in result.config.kinds:
        points = result.of_kind(kind)
        trf = np.array([p.trf_size for p in points])
        scale = trf if y == "ratio" else np.ones_like(trf)
        label = f"{KIND_LABELS[kind]}: {_slope_text(result, kind, y)}"
        _errorbars(axes, result, kind, trf, scale, label)
        axes.plot(trf, [p.predicted_size for p in points] / scale, color=KIND_COLOURS[kind], lw=1)
    shown = [p.trf_size for p in result.of_kind(result.config.kinds[0])]
    log_log(axes, shown[:: max(1, len(shown) // 6)], "TRF size (pixels)")
    ylabel, ticks = {"size": ("ERF size (pixels)", SIZE_TICKS), "ratio": ("ERF size / TRF size", RATIO_TICKS)}[y]
    axes.set_ylabel(ylabel)
    low, high = axes.get_ylim()
    within = [tick for tick in ticks if low <= tick <= high]
    axes.set_yticks(within, [f"{tick:g}" for tick in within])
    paper = PAPER_SLOPES[y]
    first, last = _shown_depths(result)
    own = "" if (first, last) == PAPER_DEPTHS else f" over {PAPER_DEPTHS[0]}-{PAPER_DEPTHS[1]}"
    axes.set_title(f"slope over depths {first}-{last}; the paper{own}: {paper}", fontsize=10)
    axes.legend(fontsize=8)


def _errorbars(axes: Axes, result: Result, kind: Kind, x: np.ndarray, scale: np.ndarray, label: str) -> None:
    points = result.of_kind(kind)
    sizes = np.array([p.size for p in points])
    bars = bar_lengths(sizes, [p.size_interval for p in points]) / scale
    axes.errorbar(x, sizes / scale, bars, fmt="o", ms=4, capsize=2, color=KIND_COLOURS[kind], label=label)


def _shown_depths(result: Result) -> tuple[int, int]:
    """Return the paper's depths, or all where those are too few for a slope."""
    fitted = any(slope.depths == PAPER_DEPTHS for slope in result.slopes)
    return PAPER_DEPTHS if fitted else result.config.all_depths


def _slope_text(result: Result, kind: Kind, y: str) -> str:
    slope = result.slope(kind, y, "trf_size", _shown_depths(result))
    if slope is None:
        return "no slope"
    low, high = slope.interval
    return f"{slope.exponent:.2f} ({low:.2f} to {high:.2f}), theory {slope.predicted:.2f}"


def _draw_against_root(axes: Axes, result: Result) -> None:
    roots = np.sqrt(result.config.depths)
    for kind in result.config.kinds:
        _errorbars(axes, result, kind, roots, np.ones_like(roots), KIND_LABELS[kind])
        predicted = np.array([p.predicted_size for p in result.of_kind(kind)])
        if len(roots) > 1:
            line = np.polyfit(roots, predicted, 1)
            axes.plot(roots, np.polyval(line, roots), color=KIND_COLOURS[kind], lw=1)
    axes.set_xlabel("√depth")
    axes.set_ylabel("ERF size (pixels)")
    axes.set_title("size against √depth, with theory's straight line", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _draw_local_slope(axes: Axes, result: Result) -> None:
    depths = result.arrays["theory_depths"]
    trf = 1 + depths * (result.config.kernel_size - 1)
    for kind, label in (("uniform", KIND_LABELS["uniform"]), ("random", "random weights, any nonlinearity")):
        sizes = result.arrays[f"predicted_sizes/{kind}"]
        # THEORY_DEPTHS grow by the root of 2, so every second one doubles the depth.
        slope = np.log(sizes[2:] / sizes[:-2]) / np.log(trf[2:] / trf[:-2])
        axes.plot(depths[:-2], slope, "o-", ms=4, color=KIND_COLOURS[kind], label=label)
    axes.axhline(0.5, color="black", lw=1, ls="--", label="limit 0.5")
    axes.axhline(PAPER_SLOPES["size"], color="grey", lw=1, ls=":", label=f"the paper's fit {PAPER_SLOPES['size']}")
    axes.set_xscale("log")
    axes.set_xticks(depths[:-2:2], [f"{depth:.0f}" for depth in depths[:-2:2]])
    axes.minorticks_off()
    axes.set_xlabel("depth n")
    axes.set_ylabel("exact slope from n to 2n, size against TRF")
    axes.set_title("the excess over 0.5 is truncation by the finite TRF", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
