"""Figure 3: the ERF before and after training (F3a, F3b)."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.camvid import experiment as camvid
from experiments.cifar10 import experiment as cifar10
from experiments.claims.row import Claim, Part, claim, claim_of_runs
from experiments.growth_controls import experiment as growth_controls
from experiments.growth_controls.experiment import Arm
from experiments.harness.intervals import interval_text
from experiments.trainings.growth import Growth
from experiments.trainings.plan import Probe

PAPER_FACTOR = camvid.PAPER_DIAMETERS[1] / camvid.PAPER_DIAMETERS[0]


def _f3a_parts(result: cifar10.Result, wide: growth_controls.Result) -> Iterator[Part]:
    yield _growth(result)
    yield _short_trainings(wide)
    text = f"test accuracy {result.test_accuracy:.1%} (the paper: {cifar10.PAPER_TEST_ACCURACY:.0%})"
    yield Part(f"{text}, TRF {result.theoretical_receptive_field} (the paper: {cifar10.PAPER_TRF})", None)


def _f3b_parts(result: camvid.Result) -> Iterator[Part]:
    yield _growth(result)
    text = f"factor {result.growth_factor:.2f} ({interval_text(result.growth_factor_interval, 2)}; the paper: about "
    yield Part(
        f"{text}{PAPER_FACTOR:.1f}), mean IoU {result.mean_iou:.1%}, TRF {result.theoretical_receptive_field}", None
    )


def _growth(result: Growth) -> Part:
    sizes = f"ERF size {result.erf_size_before:.1f} before, {result.erf_size_after:.1f} at epoch {result.best_epoch}"
    n = f"n = {result.images} images, one training"
    text = f"{sizes}: growth {result.growth:.1f} ({interval_text(result.growth_interval, 1)}; {n})"
    return Part(text, result.growth_interval[0] > 0, (result.growth_interval,))


def _short_trainings(result: growth_controls.Result) -> Part:
    """Tell how far other, shorter trainings of the same network come; too short to decide the claim."""
    config, outcome = result.config, result.outcome(Arm.batch_norm, Probe.images)
    interval = outcome.growth_interval
    spread = f" ({interval_text(interval, 1)})" if interval else ""
    text = f"{config.seeds} trainings of {config.epochs} epochs at width {config.width}: {outcome.growth:.1f}{spread}"
    return Part(text, None, (interval,) if interval else ())


CLAIMS: tuple[Claim, ...] = (
    claim_of_runs(
        "F3a",
        "CIFAR-10 ResNet, 17 blocks: the ERF grows markedly in training",
        "ERF size of the mean_abs map over held-out images, after less before; paired over images",
        {"cifar10": cifar10.Result, "growth_controls_wide": growth_controls.Result},
        _f3a_parts,
        "this is one training. The ERF first shrinks and then outgrows its start, which trainings of five epochs do "
        "not live to see.",
    ),
    claim(
        "F3b",
        "CamVid front end, 16 blocks and 4 subsamplings: the ERF's diameter grows from about 100 to about 150 pixels",
        "ERF size of the mean_abs map over held-out images, after less before; paired over images",
        "camvid",
        camvid.Result,
        _f3b_parts,
        "this is one training. The ERF shrinks to about the size that the paper ends with, from twice the one that the "
        "paper starts with.",
    ),
)
