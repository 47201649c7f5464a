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
