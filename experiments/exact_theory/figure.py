"""Measured mean_square maps of random stacks over exact theory."""

from __future__ import annotations

from matplotlib.figure import Figure

from experiments.exact_theory.experiment import Result
from experiments.harness.style import KIND_COLOURS, KIND_LABELS, bar_lengths, new_figure

CAPTION = "Depth {depth}, mean_square over {runs} runs, seed {seed}, maps of sum 1; σ with its 95 % interval over runs."


def draw(result: Result) -> Figure:
    """Draw the central rows on a logarithmic scale, and each stack's sigma over the predicted one."""
    config = result.config
    figure = new_figure(9, 4)
    rows, sigmas = figure.subplots(1, 2, width_ratios=[2, 1])
    exact = result.arrays["theory"]
    middle = len(exact) // 2
    rows.semilogy(exact[middle], color="black", lw=1, label="exact theory")
    for random in result.random:
        label = f"{KIND_LABELS[random.kind]}: at most {random.largest_deviation:.1f} standard errors away"
        rows.semilogy(result.arrays[str(random.kind)][middle], "o", ms=4, color=KIND_COLOURS[random.kind], label=label)
    rows.set_xlabel("column (pixels)")
    rows.set_ylabel("E[g²], central row")
    rows.legend()
    for place, random in enumerate(result.random):
        scale = random.predicted_sigma
        bars = bar_lengths([random.sigma], [random.sigma_interval]) / scale
        sigmas.errorbar([place], [random.sigma / scale], bars, fmt="o", capsize=4, color=KIND_COLOURS[random.kind])
    sigmas.axhline(1, color="black", lw=0.8)
    sigmas.set_xticks(range(len(result.random)), [KIND_LABELS[random.kind] for random in result.random])
    sigmas.set_xlim(-0.5, len(result.random) - 0.5)
    sigmas.set_ylabel("σ / theory")
    sigmas.grid(axis="y", alpha=0.3)
    figure.set_label(CAPTION.format(depth=config.depth, runs=config.runs, seed=config.seed))
    return figure
