"""The figure of a sweep at both widths of print: nothing collides or is cut, and intervals are those over seeds."""

from itertools import combinations, product

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer

from experiments.harness.intervals import mean_interval
from experiments.harness.style import COLUMN, PAGE
from scripts.sweep_figure import Point, draw

NUMBERS = {"size_random": 3.0, "size_relu": 12345.678, "exponent_random": 1e-4}


def points(**values) -> list[Point]:
    random = np.random.default_rng(0)
    settings = [dict(zip(values, one, strict=True)) for one in product(*values.values())]
    return [Point(one, {name: number * random.normal(10, 1) for name, number in NUMBERS.items()}) for one in settings]


INITS = ["he_normal", "glorot_uniform", "orthogonal", "lecun_normal"]
SWEEPS = {
    "numbers_and_texts": points(depth=[5, 10, 20, 40, 80], init=INITS, seed=[0, 1, 2]),
    "one_axis": points(kernel_size=[3, 5, 7], seed=[0, 1]),
    "seeds": points(seed=range(5)),
    "nothing": points(),
    "two_axes": points(rate=[0.001, 0.01, 0.1], channels=[8, 16, 32, 64, 128, 256, 512, 1024]),
    "twenty": points(width=range(1, 21)),
    "twenty_texts": points(network=[f"shufflenet_v2_x{number}_0_of_a_long_name" for number in range(20)]),
    "lists": points(depths=[[5, 10, 15], list(range(25, 65, 5))], init=INITS),
    "more_texts_than_colours": points(depth=[5, 10], init=[f"init_{number}" for number in range(7)]),
}


def ticks(axis):
    """The labels of the ticks that are in view."""
    low, high = sorted(axis.get_view_interval())
    return [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]


@pytest.mark.parametrize("width", [pytest.param(PAGE, marks=pytest.mark.slow), COLUMN])  # where there is less room
@pytest.mark.parametrize("name", SWEEPS)
def test_no_words_collide_and_none_is_cut(name, width):
    figure = draw(SWEEPS[name], width)
    FigureCanvasAgg(figure).draw()
    words = [figure._suptitle, *(text for legend in figure.legends for text in legend.get_texts())]  # pyright: ignore
    for panel in figure.axes:
        words += [panel.xaxis.label, panel.yaxis.label, *ticks(panel.xaxis), *ticks(panel.yaxis)]
    boxes = [word.get_window_extent() for word in words if word.get_visible() and word.get_text()]
    boxes = [box for box in boxes if box.width]
    assert len(boxes) > 6
    for box in boxes:
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= figure.bbox.width
        assert box.y1 <= figure.bbox.height
    assert not [(one, other) for one, other in combinations(boxes, 2) if one.overlaps(other)]
    assert figure.get_figwidth() == width


def bars(panel):
    """The means, and the ends of the intervals, of each curve."""
    for drawn in (one for one in panel.containers if isinstance(one, ErrorbarContainer)):
        segments = drawn[2][0].get_segments()
        yield drawn[0].get_ydata(), [(segment[0, 1], segment[1, 1]) for segment in segments]


def test_intervals_are_over_seeds():
    sweep = SWEEPS["numbers_and_texts"]
    panel = draw(sweep).axes[0]
    for init, (means, intervals) in zip(INITS, bars(panel), strict=True):
        for depth, mean, interval in zip([5, 10, 20, 40, 80], means, intervals, strict=True):
            values = [
                one.metrics["size_random"]
                for one in sweep
                if (one.settings["init"], one.settings["depth"]) == (init, depth)
            ]
            assert len(values) == 3
            assert mean == pytest.approx(np.mean(values))
            assert interval == pytest.approx(mean_interval(values))


def test_a_sweep_without_seeds_has_no_intervals():
    for means, intervals in bars(draw(SWEEPS["two_axes"]).axes[0]):
        assert [low for low, _ in intervals] == [high for _, high in intervals] == list(means)


def test_an_axis_that_rises_by_factors_is_logarithmic():
    scales = {name: draw(SWEEPS[name]).axes[0].get_xscale() for name in ("two_axes", "one_axis", "twenty")}
    assert scales == {"two_axes": "log", "one_axis": "linear", "twenty": "linear"}


def test_a_number_that_some_jobs_lack_is_drawn_for_the_others():
    sweep = [*points(init=["a", "b"]), Point({"init": "c"}, {"size_random": 1.0})]
    first, second, _ = draw(sweep).axes
    assert [len(panel.containers[0][0].get_xdata()) for panel in (first, second)] == [3, 2]
