"""Figure 2 of the paper: ERF size and ratio over depth, and where the excess of the slope over 0.5 comes from."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.erf_growth.experiment import PAPER_DEPTHS, PAPER_SLOPES, Result
from experiments.harness.style import KINDS, PAGE, entitle, error_bars, log_log, new_figure, ticks_within
from experiments.stacks.paper_stacks import Kind

CAPTION = (
    "ERF size: root of the number of pixels above 4.55 % of the center (section 3.1). {config.statistic} over n = "
    "{config.runs} runs a point, seed {config.seed} (uniform weights are not random: one run); bars: 95 % over runs. "
    "Lines: exact theory (mean_abs: of wide layers); dashed where that of ReLU lies on that of random weights. Shaded: "
    "depths {depths[0]} to {depths[1]}, over which slopes are fitted, with 95 % intervals; dotted: the paper's slope, "
    "at the height of the points."
)
SIZE_TICKS, RATIO_TICKS = (2, 5, 10, 20, 30, 50, 100, 200), (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1)
DASHES = {"relu": (0, (3, 3))}  # of a theory that lies on another one


def draw(result: Result) -> Figure:
    """Draw sizes and ratios against the TRF, sizes against the root of the depth, and theory's local slope."""
    figure = new_figure(PAGE, 5.6)
    (size, ratio), (root, local) = figure.subplots(2, 2)
    _draw_against_trf(size, result, "size")
    _draw_against_trf(ratio, result, "ratio")
    _draw_against_root(root, result)
    _draw_local_slope(local, result)
    entitle(figure, _message(result), CAPTION, config=result.config, depths=_shown_depths(result))
    return figure


def _message(result: Result) -> str:
    kind = Kind.random if Kind.random in result.config.kinds else result.config.kinds[0]
    slope = result.slope(kind, "size", "trf_size", _shown_depths(result))
    if slope is None:
        return "ERF size against TRF size; the depths are too few for a slope"
    first, last = _shown_depths(result)
    return (
        f"With {KINDS[kind].label} the ERF size grows as the TRF size to the power {slope.exponent:.2f} "
        f"over depths {first} to {last} (the paper: {PAPER_SLOPES['size']} over depths 5 to 40)"
    )


def _draw_against_trf(axes: Axes, result: Result, y: str) -> None:
    for kind in result.config.kinds:
        points = result.of_kind(kind)
        trf = np.array([p.trf_size for p in points])
        scale = trf if y == "ratio" else np.ones_like(trf)
        label = f"{KINDS[kind].label}: {_slope_text(result, kind, y)}"
        _errorbars(axes, result, kind, trf, scale, label)
        predicted = [p.predicted_size for p in points] / scale
        axes.plot(trf, predicted, ls=DASHES.get(kind, "-"), color=KINDS[kind].colour)
    _draw_papers_slope(axes, result, y)
    trf_sizes = [p.trf_size for p in result.of_kind(result.config.kinds[0])]
    log_log(axes, trf_sizes, "TRF size (pixels)")
    ylabel, ticks = {"size": ("ERF size (pixels)", SIZE_TICKS), "ratio": ("ERF size / TRF size", RATIO_TICKS)}[y]
    axes.set_ylabel(ylabel)
    low, high = axes.get_ylim()
    low, high = (low, high * (high / low) ** 0.65) if y == "size" else (low * (low / high) ** 0.65, high)
    axes.set_ylim(low, high)  # room for the legend
    ticks_within(axes.yaxis, ticks)
    axes.set_title({"size": "ERF size against TRF size", "ratio": "their ratio"}[y])
    axes.legend(
        loc="upper left" if y == "size" else "lower left", title="slope (95 %)", alignment="left", frameon=False
    )


def _draw_papers_slope(axes: Axes, result: Result, y: str) -> None:
    """Shade the depths of the fit and draw the paper's slope over them, through the middle of all points there."""
    first, last = _shown_depths(result)
    fitted = [p for p in result.points if first <= p.depth <= last]
    trf = np.array([p.trf_size for p in fitted])
    values = np.array([p.size for p in fitted]) / (trf if y == "ratio" else 1)
    height = np.mean(np.log(values) - PAPER_SLOPES[y] * np.log(trf))
    ends = np.array([trf.min(), trf.max()])
    axes.axvspan(*ends, color="grey", alpha=0.12, lw=0)
    label = f"the paper: {PAPER_SLOPES[y]}"
    axes.plot(ends, np.exp(height) * ends ** PAPER_SLOPES[y], ":", color="black", lw=1.5, label=label)


def _errorbars(axes: Axes, result: Result, kind: Kind, x: np.ndarray, scale: np.ndarray, label: str) -> None:
    look = {"fmt": KINDS[kind].marker, "mfc": "none", "color": KINDS[kind].colour, "label": label}
    error_bars(axes, x, result.of_kind(kind), "size", scale, **look)


def _shown_depths(result: Result) -> tuple[int, int]:
    """Return the paper's depths, or all where those are too few for a slope."""
    fitted = any(slope.depths == PAPER_DEPTHS for slope in result.slopes)
    return PAPER_DEPTHS if fitted else result.config.all_depths


def _slope_text(result: Result, kind: Kind, y: str) -> str:
    slope = result.slope(kind, y, "trf_size", _shown_depths(result))
    if slope is None:
        return "no slope"
    low, high = slope.interval
    return f"{slope.exponent:.2f} ({low:.2f} to {high:.2f})"


def _draw_against_root(axes: Axes, result: Result) -> None:
    roots = np.sqrt(result.config.depths)
    for kind in result.config.kinds:
        _errorbars(axes, result, kind, roots, np.ones_like(roots), KINDS[kind].label)
        predicted = np.array([p.predicted_size for p in result.of_kind(kind)])
        if len(roots) > 1:
            line = np.polyfit(roots, predicted, 1)
            axes.plot(roots, np.polyval(line, roots), ls=DASHES.get(kind, "-"), color=KINDS[kind].colour)
    _name(axes, "√depth (square root of convolutions)", "ERF size (pixels)", "size against √depth, with theory's line")


def _draw_local_slope(axes: Axes, result: Result) -> None:
    depths = result.arrays["theory_depths"]
    trf = 1 + depths * (result.config.kernel_size - 1)
    for kind, label in (("uniform", KINDS["uniform"].label), ("random", "random weights, any nonlinearity")):
        sizes = result.arrays[f"predicted_sizes/{kind}"]
        # THEORY_DEPTHS grow by the root of 2, so every second one doubles the depth.
        slope = np.log(sizes[2:] / sizes[:-2]) / np.log(trf[2:] / trf[:-2])
        axes.plot(depths[:-2], slope, f"{KINDS[kind].marker}-", mfc="none", color=KINDS[kind].colour, label=label)
    axes.axhline(0.5, color="black", lw=1, ls="--", label="limit 0.5")
    axes.axhline(PAPER_SLOPES["size"], color="grey", lw=1, ls=":", label=f"the paper's fit {PAPER_SLOPES['size']}")
    axes.set_xscale("log")
    axes.set_xticks(depths[:-2:2], [f"{depth:.0f}" for depth in depths[:-2:2]])
    axes.minorticks_off()
    _name(axes, "depth n (convolutions)", "exact slope from n to 2n", "the excess over 0.5 fades as the TRF grows")


def _name(axes: Axes, xlabel: str, ylabel: str, title: str) -> None:
    """Name a panel's axes and curves."""
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.grid()
    axes.legend(frameon=False)
