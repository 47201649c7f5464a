"""The reference runs and studies: what the evidence in results/reference/ is made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from experiments.harness.record import read_record

REFERENCE = Path(__file__).parents[2] / "results" / "reference"

# Folder in results/reference/ -> overrides of run.py. The second run of erf_growth has the runs that its exponent over
# large depths needs: at the paper's 20 its interval is wider than the band that it is compared with.
RUNS: dict[str, tuple[str, ...]] = {
    "exact_theory": ("experiment=exact_theory",),
    "gaussian_shape": ("experiment=gaussian_shape",),
    "nonlinearities": ("experiment=nonlinearities",),
    "erf_growth": ("experiment=erf_growth",),
    "erf_growth_deep": ("experiment=erf_growth", "depths=[40,50,60,70,80,90,100]", "runs=200"),
    "cifar10": ("experiment=cifar10",),
    "camvid": ("experiment=camvid",),
    "growth_controls_wide": ("experiment=growth_controls", "arms=[batch_norm]", "width=16"),
    "dropout": ("experiment=dropout",),
    "kernels": ("experiment=kernels",),
    "sparse_connections": ("experiment=sparse_connections",),
    "attention": ("experiment=attention",),
    "attention_mean_square": ("experiment=attention", "statistic=mean_square"),
    "architectures": ("experiment=architectures",),
    "subsampling": ("experiment=subsampling",),
    "skip_connections": ("experiment=skip_connections",),
}

Sweeps = tuple[tuple[str, ...], ...]  # each by the overrides of run.py -m

# A test over 24 comparisons needs more than 10 pairs: of 10, all would have to agree for one of them to be significant.
PAIRS, FEWER_PAIRS = 12, 4


def center_low_sweeps(first_seed: int) -> Sweeps:
    """Return the sweeps of the study of center_low_init: He's init, its null of fresh weights, and Glorot's."""
    seeds, fewer = (f"seed=range({first_seed},{first_seed + count})" for count in (PAIRS, FEWER_PAIRS))
    common = ("experiment=center_low_init", "kernel_size=3,5")
    return (
        (*common, "strength=0,0.25,0.5,0.75,1", seeds),
        (*common, "draw=1", seeds),
        (*common, "init=glorot_uniform", "strength=0,0.5,1", fewer),
    )


def control_sweeps(first_seed: int) -> Sweeps:
    """Return the sweep of the controls for Figure 3, in two jobs: those with batch norm and those without."""
    arms = "arms=[batch_norm,zero_gain,random_labels],[no_batch_norm,folded]"
    return (("experiment=growth_controls", arms, f"seed={first_seed}"),)


# Folder in results/reference/ -> of the first seed, the sweeps whose jobs are gathered there. Seed 100 of
# center_low_init was looked at before, to choose the levels, and is in no study.
STUDIES: dict[str, Callable[[int], Sweeps]] = {"growth_controls": control_sweeps, "center_low_init": center_low_sweeps}

# What each run and each sweep of a study is reduced to where all shall take minutes: the same claims, of fewer runs and
# sizes.
QUICK: dict[str, tuple[str, ...]] = {
    "exact_theory": ("runs=800", "bootstrap=200"),
    "gaussian_shape": ("group_runs=[20,100,200]", "group_total=600"),
    "nonlinearities": ("groups=4",),
    "erf_growth": ("depths=[5,10,20,40]", "bootstrap=200"),
    "erf_growth_deep": ("depths=[40,50,60]", "runs=30", "bootstrap=200"),
    "cifar10": ("width=4", "epochs=1", "images=16", "calibration=2", "bootstrap=100"),
    "camvid": ("widths=[4,4,8,16]", "epochs=1", "images=4", "calibration=1", "bootstrap=100"),
    "growth_controls_wide": ("width=2", "seeds=1", "epochs=1", "images=16", "bootstrap=100"),
    "dropout": ("runs=500", "bootstrap=200"),
    "kernels": ("kernel_sizes=[3,5]", "runs=300", "bootstrap=200"),
    "sparse_connections": ("depths=[5,10]", "runs=150", "networks=10", "bootstrap=200"),
    "attention": ("runs=20", "bootstrap=200"),
    "attention_mean_square": ("runs=20", "bootstrap=200"),
    "architectures": ("networks=[resnet18,mobilenet_v2]", "draws=2", "samples=1"),
    "subsampling": ("runs=60", "bootstrap=200"),
    "skip_connections": ("runs=30", "bootstrap=200"),
    "growth_controls": ("arms=[folded]", "width=2", "seeds=1", "epochs=1", "images=16", "bootstrap=100"),
    "center_low_init": (
        "kernel_size=3", "seed=0,1", "training_images=500", "held_out=200", "width=4", "steps=40", "evaluate_every=10",
        "levels=[0.11,0.13,0.15]", "images=4",
    ),
}  # fmt: skip

# The data set that a run's training needs, in its folder of data.
DATA = {"cifar10": "cifar10", "camvid": "camvid", "growth_controls_wide": "cifar10", "growth_controls": "cifar10"}
DATA |= {"center_low_init": "cifar10"}

R = TypeVar("R")


def experiment_of(name: str) -> str:
    """Return the experiment of the reference run or study ``name``."""
    overrides = STUDIES[name](0)[0] if name in STUDIES else RUNS[name]
    return overrides[0].removeprefix("experiment=")


def changed(overrides: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    """Return ``overrides`` with those of the same keys replaced by ``others``, which may add keys, too."""
    by_key = {override.partition("=")[0]: override for override in (*overrides, *others)}
    return tuple(by_key.values())


def command(name: str) -> str:
    """Return the command that measures the reference run or study ``name`` again."""
    if name in STUDIES:
        return f"python scripts/reproduce.py --only {name}"
    return " ".join(["python run.py", *RUNS[name]])


def reference(name: str, kind: type[R], folder: Path = REFERENCE) -> R:
    """Return the record of the reference run or study ``name``.

    Raises:
        InvalidInput: It is missing or damaged.
    """
    return read_record(folder / name, kind)
