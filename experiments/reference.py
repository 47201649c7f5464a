"""The reference runs: what the evidence in results/reference/ is made of."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from experiments.record import read_record

REFERENCE = Path(__file__).parents[1] / "results" / "reference"

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
    "growth_controls": ("experiment=growth_controls",),
    "dropout": ("experiment=dropout",),
    "kernels": ("experiment=kernels",),
    "sparse_connections": ("experiment=sparse_connections",),
    "attention": ("experiment=attention",),
    "attention_mean_square": ("experiment=attention", "statistic=mean_square"),
    "architectures": ("experiment=architectures",),
    "subsampling": ("experiment=subsampling",),
    "skip_connections": ("experiment=skip_connections",),
}

# What each reference run is reduced to where all of them shall take minutes: the same claims, of fewer runs and sizes.
QUICK: dict[str, tuple[str, ...]] = {
    "exact_theory": ("runs=800", "bootstrap=200"),
    "gaussian_shape": ("group_runs=[20,100,200]", "group_total=600"),
    "nonlinearities": ("groups=4",),
    "erf_growth": ("depths=[5,10,20,40]", "bootstrap=200"),
    "erf_growth_deep": ("depths=[40,50,60]", "runs=30", "bootstrap=200"),
    "cifar10": ("width=4", "epochs=1", "images=16", "calibration=2", "bootstrap=100"),
    "camvid": ("widths=[4,4,8,16]", "epochs=1", "images=4", "calibration=1", "bootstrap=100"),
    "growth_controls": ("arms=[folded]", "width=2", "seeds=1", "epochs=1", "images=16", "bootstrap=100"),
    "dropout": ("runs=500", "bootstrap=200"),
    "kernels": ("kernel_sizes=[3,5]", "runs=300", "bootstrap=200"),
    "sparse_connections": ("depths=[5,10]", "runs=150", "networks=10", "bootstrap=200"),
    "attention": ("runs=20", "bootstrap=200"),
    "attention_mean_square": ("runs=20", "bootstrap=200"),
    "architectures": ("networks=[resnet18,mobilenet_v2]", "draws=2", "samples=1"),
    "subsampling": ("runs=60", "bootstrap=200"),
    "skip_connections": ("runs=30", "bootstrap=200"),
}

# The data set that a run's training needs, in its folder of data.
DATA = {"cifar10": "cifar10", "camvid": "camvid", "growth_controls": "cifar10"}

# Folder in results/reference/ -> the sweeps whose jobs are gathered there. he_normal has a null: fresh weights in the
# same data order. Seeds from 100 on were looked at before, to choose the levels, and are in no study.
SWEEPS: dict[str, tuple[tuple[str, ...], ...]] = {
    "center_low_init": (
        ("experiment=center_low_init", "kernel_size=3,5", "strength=0,0.25,0.5,0.75,1", "seed=range(16)"),
        ("experiment=center_low_init", "kernel_size=3,5", "draw=1", "seed=range(16)"),
        (
            "experiment=center_low_init",
            "init=glorot_uniform",
            "kernel_size=3,5",
            "strength=0,0.25,0.5,0.75,1",
            "seed=range(8)",
        ),
    ),
}

R = TypeVar("R")


def experiment_of(name: str) -> str:
    """Return the experiment of the reference run ``name``."""
    overrides = SWEEPS[name][0] if name in SWEEPS else RUNS[name]
    return overrides[0].removeprefix("experiment=")


def changed(overrides: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    """Return ``overrides`` with those of the same keys replaced by ``others``, which may add keys, too."""
    by_key = {override.partition("=")[0]: override for override in (*overrides, *others)}
    return tuple(by_key.values())


def command(name: str) -> str:
    """Return the command that measures the reference run ``name`` again."""
    if name in SWEEPS:
        return f"python scripts/reproduce.py {name}"
    return " ".join(["python run.py", *RUNS[name]])


def reference(name: str, kind: type[R], folder: Path = REFERENCE) -> R:
    """Return the record of the reference run ``name``.

    Raises:
        InvalidInput: It is missing or damaged.
    """
    return read_record(folder / name, kind)
