"""What the figure shows of a record."""

from experiments.camvid.experiment import PAPER_DIAMETERS
from experiments.growth_start.figure import COLOURS, GRID
from experiments.growth_start.specifications import in_words, verdicts
from tests.figures import Panel, Shown, dots, level, line, upright


def shown(result):
    config = result.config
    data_sets = list(dict.fromkeys(one.case.data_set for one in result.untrained))
    said = verdicts(result.specifications)
    title = "; ".join(one.split(";")[0].rstrip(".") for one in said) or "Where an ERF starts"
    return Shown(
        [
            *(_sizes(result, data_set) for data_set in data_sets),
            *(_sigmas(result, data_set) for data_set in data_sets),
            *(_specifications(result.specifications) if result.specifications else ()),
        ],
        title,
        [f"each point a seed, {config.seeds} of them from {config.seed};", *said],
    )


def _sizes(result, data_set):
    marks = _dots(result, data_set, lambda one: one.sizes["averaged_size"])
    if data_set == "camvid":
        marks.append(upright(PAPER_DIAMETERS[0], "the paper: about 100"))
    xlabel = "ERF size before training (pixels)"
    return Panel(marks, in_words(data_set), xlabel, yticks=_names(result), legend=True)


def _sigmas(result, data_set):
    marks, texts = _dots(result, data_set, lambda one: one.mean_square_sigmas), _texts(result)
    own = [one for one in result.untrained if one.case.data_set == data_set]
    known = {texts.index(one.text): one.closed_form_sigma for one in own if one.closed_form_sigma is not None}
    for place, sigma in known.items():
        label = "closed form" if place == next(iter(known)) else ""
        marks.append(line([sigma, sigma], [place - 0.4, place + 0.4], label, "black"))
    return Panel(
        marks, in_words(data_set), "σ of the mean_square map (pixels)", yticks=_names(result), legend=bool(known)
    )


def _texts(result):
    return list(dict.fromkeys(one.text for one in result.untrained))


def _names(result):
    return {place: in_words(text) for place, text in enumerate(_texts(result))}


def _dots(result, data_set, quantity):
    own = [one for one in result.untrained if one.case.data_set == data_set]
    widths, texts = list(dict.fromkeys(one.case.width for one in own)), _texts(result)
    marks = []
    for one in own:
        number, values = widths.index(one.case.width), quantity(one)
        place = texts.index(one.text) + 0.3 * (number - (len(widths) - 1) / 2)
        label = f"width {one.case.width}" if one.text == texts[0] and not one.fresh else ""
        hollow = None if one.fresh else number > 0
        marks.append(line(values, [place] * len(values), label, COLOURS[data_set], hollow))
    return marks


def _specifications(specifications):
    ordered = sorted(specifications, key=lambda one: one.factor)
    curve = [level(1)]
    for data_set in {one.data_set for one in ordered}:
        places = [place for place, one in enumerate(ordered) if one.data_set == data_set]
        curve.append(dots(places, [ordered[place].factor for place in places], in_words(data_set)))
    yield Panel(curve, ylabel="size after / before")
    marks, names = [], {}
    for axis in GRID:
        if names:
            marks.append(level(len(names) - 0.5))
        for option in dict.fromkeys(getattr(one, axis) for one in specifications):
            places = [place for place, one in enumerate(ordered) if getattr(one, axis) == option]
            marks.append(dots(places, [len(names)] * len(places)))
            names[len(names)] = in_words(option)
    yield Panel(marks, xlabel="ways to measure, by their factor", yticks=names)
