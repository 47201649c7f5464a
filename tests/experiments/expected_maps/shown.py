"""What the figure shows of a record."""

import numpy as np

from experiments.expected_maps.experiment import MORE_OF_SMALL, Way
from experiments.expected_maps.figure import COLOURS, LABELS, message
from tests.figures import Panel, Shown, line, points, upright


def shown(result):
    config = result.config
    rows = {(stage.network, stage.layer): row for row, stage in enumerate(of_way(result, Way.as_it_is))}
    of_sigma, of_pixels = [], []
    for way, shift in ((Way.as_it_is, -0.15), (Way.linear, 0.15)):
        stages, colour = of_way(result, way), COLOURS[way]
        places = [rows[stage.network, stage.layer] + shift for stage in stages]
        ends = [tuple(100 * end for end in stage.error_interval) for stage in stages]
        of_sigma.append(points([100 * s.error for s in stages], places, ends, LABELS[way], colour, axis="x"))
        of_pixels += [
            line([stage.deviation], [place], colour=colour, hollow=bool(stage.findings))
            for place, stage in zip(places, stages, strict=True)
        ]
    of_sigma += [upright(-2), upright(2)]
    of_pixels.append(upright(5))
    caption = [
        f"Mean_square maps over {config.draws} draws of He's weights, {config.linear_draws} of linear networks",
        f"{MORE_OF_SMALL} times as many of small ones, seed {config.seed}",
    ]
    return Shown(
        [
            Panel(of_sigma, "", "expected σ less measured σ (%)", ""),
            Panel(
                of_pixels,
                "",
                "largest difference of a pixel (standard errors)",
                "",
                ("log", "linear"),
                dict(_ticks([stage.deviation for stage in result.stages])),
            ),
        ],
        message(result),
        caption,
        legend=[*LABELS.values()],
    )


def _ticks(values):
    """Yield the numbers 1, 2 and 5 of each power of ten that lie on an axis 5 % longer at both ends than the values."""
    low, high = np.log10([min(values), max(values)])
    beyond = 0.05 * (high - low)
    for tick in (first * 10**power for power in range(-1, 4) for first in (1, 2, 5)):
        if low - beyond <= np.log10(tick) <= high + beyond:
            yield tick, f"{tick:g}"


def of_way(result, way):
    return [stage for stage in result.stages if stage.way is way]
