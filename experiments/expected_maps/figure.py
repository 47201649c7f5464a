"""How far expected maps are off, layer by layer: their sigma, and their largest pixel."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.expected_maps.experiment import MORE_OF_SMALL, Result, Stage, Way
from experiments.harness.style import PAGE, bar_lengths, entitle, new_figure, ticks_within

COLOURS = {Way.as_it_is: "#D55E00", Way.linear: "#0072B2"}  # Okabe & Ito (2008)
MARKERS = {Way.as_it_is: "o", Way.linear: "s"}
LABELS = {Way.as_it_is: "as it is", Way.linear: "without nonlinearities"}
WITHIN = 2  # per cent of sigma
STANDARD_ERRORS = 5
CAPTION = (
    "Mean_square maps over {config.draws} draws of He's weights, {config.linear_draws} of linear networks, {more} "
    "times as many of small ones, seed {config.seed}; layers of each network from low to high. Bars: 95 % over draws. "
    "Hollow: theory is approximate there. Grey: 2 % of σ, 5 standard errors."
)


def draw(result: Result) -> Figure:
    """Draw each layer's errors of sigma and of the largest pixel."""
    config = result.config
    figure = new_figure(PAGE, 1.3 + 0.4 * len(config.networks))
    of_sigma, of_pixels = figure.subplots(1, 2, sharey=True)
    rows = {(s.network, s.layer): row for row, s in enumerate(_of_way(result, Way.as_it_is))}
    for way in Way:
        _draw_way(of_sigma, of_pixels, _of_way(result, way), way, rows)
    for edge in (-WITHIN, WITHIN):
        of_sigma.axvline(edge, color="grey", lw=0.8)
    of_pixels.axvline(STANDARD_ERRORS, color="grey", lw=0.8)
    firsts = [rows[network, result.of_network(network)[0].layer] for network in config.networks]
    of_sigma.set_yticks(firsts, config.networks)
    of_sigma.invert_yaxis()
    of_sigma.set_xlabel("expected σ less measured σ (%)")
    of_pixels.set_xlabel("largest difference of a pixel (standard errors)")
    of_pixels.set_xscale("log")
    ticks_within(of_pixels.xaxis, [first * 10**power for power in range(-1, 4) for first in (1, 2, 5)])
    figure.legend(*of_sigma.get_legend_handles_labels(), loc="outside lower center", ncols=len(Way), frameon=False)
    entitle(figure, message(result), CAPTION, config=config, more=MORE_OF_SMALL)
    return figure


def message(result: Result) -> str:
    """Return in how many layers the expected sigma is within the grey lines, with nonlinearities and without."""
    stages = [_of_way(result, way) for way in Way]
    within = [f"{sum(abs(100 * one.error) <= WITHIN for one in own)} of {len(own)} layers" for own in stages]
    named = " and ".join(f"{count} ({LABELS[way]})" for count, way in zip(within, Way, strict=True))
    return f"Expected σ is within {WITHIN} % of the measured one in {named}"


def _of_way(result: Result, way: Way) -> list[Stage]:
    return [stage for stage in result.stages if stage.way is way]


def _draw_way(of_sigma: Axes, of_pixels: Axes, stages: list[Stage], way: Way, rows: dict[tuple[str, str], int]) -> None:
    colour, shift = COLOURS[way], 0.15 if way is Way.linear else -0.15
    places = [rows[stage.network, stage.layer] + shift for stage in stages]
    errors = [100 * stage.error for stage in stages]
    intervals = [(100 * low, 100 * high) for low, high in (stage.error_interval for stage in stages)]
    bars = bar_lengths(errors, intervals)
    of_sigma.errorbar(errors, places, xerr=bars, fmt=MARKERS[way], ms=3, color=colour, label=LABELS[way])
    for place, stage in zip(places, stages, strict=True):
        face = "white" if stage.findings else colour
        of_pixels.plot([stage.deviation], [place], MARKERS[way], ms=4, color=colour, mfc=face)
