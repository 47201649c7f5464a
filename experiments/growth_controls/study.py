"""The controls for Figure 3 of several runs, each of some of the ways to train, as if one had trained them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from erf import InvalidInput
from experiments.growth_controls.config import Arm
from experiments.growth_controls.experiment import Result, summary
from experiments.harness.override import Sweep
from experiments.harness.study import shared_config

__all__ = ["QUICK", "SWEPT", "Study", "caption", "gather", "summary", "sweeps"]

Study = Result
SWEPT = ("arms",)
QUICK: Sweep = {"arms": ([Arm.folded],)}


def sweeps(first_seed: int) -> tuple[Sweep, ...]:
    """Return the sweep of the controls for Figure 3, in two jobs: those with batch norm and those without."""
    arms = ([Arm.batch_norm, Arm.zero_gain, Arm.random_labels], [Arm.no_batch_norm, Arm.folded])
    return ({"arms": arms, "seed": (first_seed,)},)


def gather(results: Sequence[Result]) -> Study:
    """Return the result of a run of all their arms: trainings do not depend on which others a run has.

    Raises:
        InvalidInput: They differ in more than their arms, have one in common, or are of different data.
    """
    common = shared_config([result.config for result in results], {"arms": list(Arm)})
    arms = [arm for result in results for arm in result.config.arms]
    if twice := {arm for arm in arms if arms.count(arm) > 1}:
        raise InvalidInput(f"arms are there twice: {', '.join(sorted(twice))}")
    if len({result.data for result in results}) > 1:
        raise InvalidInput("runs are of different data: their SHA-256 in result.json differ")
    order = list(Arm).index
    return Result(
        config=replace(common, arms=sorted(arms, key=order)),
        trainings=tuple(
            sorted((one for result in results for one in result.trainings), key=lambda one: order(one.arm))
        ),
        outcomes=tuple(sorted((one for result in results for one in result.outcomes), key=lambda one: order(one.arm))),
        arrays={name: array for result in results for name, array in result.arrays.items()},
        data=results[0].data,
    )


def caption(study: Study) -> str:
    """Return of how many trainings the study is, by which statistic of how many images."""
    config = study.config
    return (
        f"{len(study.trainings)} trainings, {config.seeds} of each arm (seed {config.seed}), at width {config.width}; "
        f"statistic {config.statistic} over {config.images} images; intervals are 95 %, those of growth t over "
        "trainings."
    )
