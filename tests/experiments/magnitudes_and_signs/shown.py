"""What the figure shows of a record."""

from experiments.growth_start.specifications import in_words
from experiments.magnitudes_and_signs.config import When
from experiments.magnitudes_and_signs.experiment import Kind, by_case
from experiments.magnitudes_and_signs.figure import COLOURS, LABELS
from tests.figures import Panel, Shown, image, points


def shown(result):
    config, cases = result.config, by_case(result.epochs)
    when = When.best if config.trained else When.first
    sizes = [
        Panel(
            [_sizes(epochs, kind) for kind in Kind],
            _name(case),
            "epoch",
            "" if number else "ERF size (pixels)",
            xticks=dict(enumerate(dict.fromkeys(one.when for one in sorted(epochs, key=_place)))),
        )
        for number, (case, epochs) in enumerate(cases.items())
    ]
    maps = [
        Panel(
            [image(result.arrays[f"{kind}/{case.network}/{case.start_text}/{when}"])],
            _name(case) if kind is Kind.measured else "",
            ylabel="" if number else LABELS[kind],
            xticks={},
            yticks={},
        )
        for kind in (Kind.measured, Kind.random_signs)
        for number, case in enumerate(cases)
    ]
    return Shown(
        [*sizes, *maps],
        _title(result.arms),
        [
            f"or over {config.draws} draws of signs, seed {config.seed}",
            f"rms maps of the first seed at the {when} epoch",
        ],
        colour_bars=[("influence / peak", 0, 1)],
        legend=[*LABELS.values()],
    )


def _name(case):
    return f"{in_words(case.data_set)}, {in_words(case.start_text)}"


def _place(epoch):
    return list(When).index(epoch.when)


def _sizes(epochs, kind):
    """Beside each other from left to right: kinds, and in each the trainings."""
    seeds = sorted({one.seed for one in epochs})
    step = 0.7 / (len(Kind) * len(seeds))
    first = -0.35 + step / 2 + list(Kind).index(kind) * len(seeds) * step
    places = [_place(one) + first + seeds.index(one.seed) * step for one in epochs]
    estimates = [one.sizes[kind] for one in epochs]
    return points(places, [e.value for e in estimates], [e.interval for e in estimates], LABELS[kind], COLOURS[kind])


def _title(arms):
    if not arms:
        return "ERFs before training, with own signs and with random ones"
    parts = []
    for data_set in dict.fromkeys(arm.case.data_set for arm in arms):
        arm = max((arm for arm in arms if arm.case.data_set == data_set), key=lambda arm: abs(arm.all.value))
        parts.append(f"{in_words(data_set)} {arm.all.value:+.1f} and {arm.magnitudes.value:+.1f} px")
    return f"Change of the ERF in training, and with random signs: {'; '.join(parts)}"
