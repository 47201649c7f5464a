"""Figure 3: the ERF before and after training (F3a, F3b).

The rule at first: of one training, the interval of the growth over images lies above 0. Then it was found that the
start decides whether an ERF grows, and the paper does not say how its networks started. So the rule is now: of several
trainings from each of several starts, the interval of the growth over seeds (t) lies above 0 for the start whose ERF
before training is nearest the paper's on CamVid, 100 pixels; on CIFAR-10, where the paper gives no size, for the same
start. The row lists the other starts, too, and the first rule keeps what it says (`Part.at_first`).
"""

from __future__ import annotations

from collections.abc import Iterator

from experiments.camvid import experiment as camvid
from experiments.camvid import study as camvid_study
from experiments.cifar10 import experiment as cifar10
from experiments.cifar10 import study as cifar10_study
from experiments.claims.row import Claims, Part
from experiments.harness.intervals import interval_text
from experiments.trainings.arms import Arm
from experiments.trainings.growth_result import Growth
from experiments.trainings.growth_tables import in_words
from experiments.trainings.study import StartsStudy

CLAIMS = Claims()
OVER_SEEDS = "ERF size of the mean_abs map over held-out images, after less before; t over trainings"
REASON = (
    "whether the ERF grows depends on how the weights start, and the paper does not say how its networks started. The "
    "verdict is that of the start whose ERF before training is nearest the paper's 100 pixels on CamVid; the row shows "
    "the other starts, too. Small gain 0.16: the last batch norm of each block starts with gain 0.16, not 1. Unit "
    "gain: with 1. Width: the channels of each layer. At first the verdict was that of one training."
)

PAPER_F3A = "CIFAR-10 ResNet, 17 blocks: the ERF grows markedly in training"
PAPER_F3B = (
    "CamVid front end, 16 blocks and 4 subsamplings: the ERF's diameter grows from about 100 to about 150 pixels"
)
PAPER_FACTOR = camvid.PAPER_DIAMETERS[1] / camvid.PAPER_DIAMETERS[0]


@CLAIMS.add(
    "F3a",
    PAPER_F3A,
    "Training makes the ERF of a CIFAR-10 ResNet grow",
    OVER_SEEDS,
    ["cifar10_starts", "camvid_starts", "cifar10"],
    REASON,
)
def _f3a_parts(study: cifar10_study.Study, where_decided: camvid_study.Study, first: cifar10.Result) -> Iterator[Part]:
    decided = _nearest(where_decided)
    alike = [arm for arm in _repeated(study) if decided and arm.way.start is decided.way.start]
    if not alike:
        return
    judged = max(alike, key=lambda arm: len(arm.seeds))
    yield from _by_start(study, judged, first)
    text = f"test accuracy {judged.tested.value:.1%} (the paper: {cifar10.PAPER_TEST_ACCURACY:.0%})"
    yield Part(f"{text}, TRF {first.theoretical_receptive_field} (the paper: {cifar10.PAPER_TRF})", None)


@CLAIMS.add(
    "F3b",
    PAPER_F3B,
    "Training makes the ERF of a CamVid network grow from about 100 to about 150 pixels",
    OVER_SEEDS,
    ["camvid_starts", "camvid"],
    REASON,
)
def _f3b_parts(study: camvid_study.Study, first: camvid.Result) -> Iterator[Part]:
    judged = _nearest(study)
    if judged is None:
        return
    yield from _by_start(study, judged, first)
    text = (
        f"factor {judged.factor.in_words(2)} (the paper: about {PAPER_FACTOR:.1f}), mean IoU {judged.tested.value:.1%}"
    )
    sizes = f"{judged.before.value:.1f} to {judged.after.value:.1f} pixels"
    brief = f"{sizes} (the paper: about {camvid.PAPER_DIAMETERS[0]} to {camvid.PAPER_DIAMETERS[1]})"
    yield Part(f"{sizes}, {text}, TRF {first.theoretical_receptive_field}", None, brief=brief)


def _repeated(study: StartsStudy) -> list[Arm]:
    """Return the arms that have an interval over seeds."""
    return [arm for arm in study.arms if arm.growth.interval]


def _nearest(study: StartsStudy) -> Arm | None:
    """Return the arm whose size before training is nearest the paper's on CamVid."""
    size = camvid.PAPER_DIAMETERS[0]
    return min(_repeated(study), key=lambda arm: abs(arm.before.value - size), default=None)


def _by_start(study: StartsStudy, judged: Arm, first: Growth) -> Iterator[Part]:
    """Tell the growth of each arm, ``judged`` first, which decides; ``first`` is the training that did at first."""
    for arm in sorted(study.arms, key=lambda arm: arm is not judged):
        interval, decides = arm.growth.interval, arm is judged
        n = f"n = {len(arm.seeds)} trainings"
        spread = f"{interval_text(interval, 1)}; {n}" if interval else n
        growth = f"{arm.growth.value:.1f} ({spread}), {len(arm.agreeing)} of {len(arm.growths)} measures agree in sign"
        sizes = f"ERF size {arm.before.value:.1f} before, {arm.after.value:.1f} after"
        yield Part(
            f"start {arm.way.name}: {sizes}: growth {growth}",
            interval[0] > 0 if interval and decides else None,
            (interval,) if interval else (),
            f"{arm.way.name}: {growth if decides else f'{arm.growth.in_words(1)}{_unclear(arm)}'}",
            answer=_answer(judged, study) if decides else "",
            at_first=_at_first(first) if decides else None,
        )


def _answer(judged: Arm, study: StartsStudy) -> str:
    """Return the change from the start that decides, and from that of the largest ERF: the sign may differ."""
    largest = max(_repeated(study), key=lambda arm: arm.before.value)
    changes = [
        f"{arm.before.value:.1f} to {arm.after.value:.1f} pixels: by {arm.growth.in_words(1)}{_unclear(arm)}"
        for arm in (judged, largest)
    ]
    return changes[0] if largest is judged else "; from another start ".join(changes)


def _unclear(arm: Arm) -> str:
    """Return how many measures agree in sign, where not all do."""
    agreeing, measures = len(arm.agreeing), len(arm.growths)
    return "" if agreeing == measures else f", only {agreeing} of {measures} measures agree in sign"


def _at_first(result: Growth) -> Part:
    """Return what the rule said of one training."""
    sizes = f"ERF size {result.erf_size_before:.1f} before, {result.erf_size_after:.1f} at epoch {result.best_epoch}"
    growth = f"{result.growth:.1f} ({interval_text(result.growth_interval, 1)}"
    text = f"{sizes}: growth {growth}; n = {result.images} images, one training)"
    brief = f"one from {in_words(result.config.start)}: {growth})"
    return Part(text, result.growth_interval[0] > 0, (result.growth_interval,), brief)
