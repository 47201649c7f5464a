"""Section 4: does a center-low initialization train faster? (I2).

The rule was fixed before the study was run. "Faster in a few cases": at some kernel size, strength and level the median
of the steps saved has a 95 % interval above 0 and the sign-flip test stays below 0.05 after Holm's correction over all
of them. "Up to 30 %": pairs that save that much are more frequent than among fresh weights in the same data order, the
interval of the difference above 0. "Not always significant": not every comparison is faster; told only beside unless
one is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from erf.inits import Init
from experiments.center_low_init.pairs import PAPER_REDUCTION, Comparison, LargeReductions
from experiments.center_low_init.study import Study, percent_text
from experiments.claims.row import Claims, Part

CLAIMS = Claims()

INIT = Init.he_normal  # the claim is decided by it; other inits are told beside


@CLAIMS.add(
    "I2",
    "a CIFAR-10 CNN with a center-low init: training is up to 30 % faster in a few cases, not always significantly",
    "Center-low initial weights train up to 30 % faster in a few cases",
    "share of training steps saved to a level of accuracy, median over pairs of trainings",
    ["center_low_init"],
)
def _i2_parts(study: Study) -> Iterator[Part]:
    cases = study.of_init(INIT)
    faster = [one for one in cases if one.faster]
    text = f"{answer(study)}; clearly faster in {len(faster)} of {len(cases)} cases (n = {_pairs(cases)} pairs each)"
    yield Part(text, bool(faster), tuple(one.interval for one in cases))
    for large in study.large:
        if large.init is INIT:
            yield _large_part(large)
    yield Part(f"clearly slower in {sum(one.slower for one in cases)} of {len(cases)} cases", None)
    if faster:
        rest = len(cases) - len(faster)
        yield Part(f"no clear speed-up in {rest} of {len(cases)} cases", rest > 0)
    level = study.config.levels[len(study.config.levels) // 2]
    for init in study.inits():
        at_level = [one for one in study.of_init(init) if one.level == level]
        text = f"{_whose(init, at_level)}median of the steps saved to {level:.0%} accuracy: {_medians(at_level)}"
        yield Part(text, None, shown=False)


def answer(study: Study) -> str:
    """Return what the study says, in one sentence."""
    cases = study.of_init(INIT)
    faster, slower = (sum(getattr(one, name) for one in cases) for name in ("faster", "slower"))
    if faster and not slower:
        return "a center-low init trains faster in some cases and clearly slower in none"
    if faster:
        return "a center-low init trains faster in some cases and slower in others"
    return "a center-low init trains slower in some cases and faster in none" if slower else "no effect is clear"


def _pairs(cases: Sequence[Comparison]) -> int:
    return min(len(one.reductions) for one in cases)


def _whose(init: Init, cases: Sequence[Comparison]) -> str:
    return "" if init is INIT else f"{init} (n = {_pairs(cases)} pairs, a look beside): "


def _large_part(large: LargeReductions) -> Part:
    """Return whether pairs that save as much as the paper says are more frequent than by chance."""
    share, null, least = (f"{large.share:.1%}", f"{large.null_share:.1%}", f"{PAPER_REDUCTION:.0%}")
    difference = f"difference {percent_text(large.excess)}"
    text = (
        f"{share} of {large.pairs} pairs save {least} of the steps or more (the most: {large.largest:.0%}), of fresh "
        f"weights {null} of {large.null_pairs} ({large.null_largest:.0%}): {difference}"
    )
    brief = f"{share} of pairs save {least} or more, of fresh weights {null} ({difference})"
    answer = f"{share} of trainings save {least} or more; with weights only drawn again {null} do ({difference})"
    return Part(text, large.beyond_chance, (large.excess,), brief, answer=answer)


def _medians(cases: Sequence[Comparison]) -> str:
    texts = (
        f"{one.start.kernel_size}x{one.start.kernel_size} {one.start.name} "
        f"{one.reduction * 100:.1f} % ({percent_text(one.interval)})"
        for one in cases
    )
    return ", ".join(texts)
