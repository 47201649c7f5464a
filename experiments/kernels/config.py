"""The settings of the experiment kernels."""

from __future__ import annotations

from dataclasses import dataclass

from erf import InvalidInput
from erf.maps.statistic import Statistic
from experiments.harness.experiment import option
from experiments.kernels.profiles import Profile
from experiments.stacks.paper_stacks import StackConfig


@dataclass
class Config(StackConfig):
    """Which kernels are measured, in which stacks."""

    name: str = option("kernels", "the experiment's name, fixed; it names the folder of results")
    profiles: list[Profile] = option(list(Profile), "weights over a kernel", distinct=True)
    kernel_sizes: list[int] = option(
        [3, 5, 7, 9], "of all profiles and strengths, increasing from 2", increasing_from=2
    )
    depth: int = option(5, "number of convolutions for all kernel sizes", least=2)
    depths: list[int] = option(
        [2, 5, 10, 20], "at which the distance to the normal is measured, increasing", increasing_from=1
    )
    strengths: list[float] = option([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], "of the center-low init, increasing from 0 to 1")
    runs: int = option(2000, "draws of weights for each random stack", least=2)
    statistic: Statistic = option(
        Statistic.mean_square, "exact theory is about this one", fixed="has no exact theory to compare with"
    )
    bootstrap: int = option(1000, "resamplings of the runs for each interval", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.depths) < 3:
            raise InvalidInput(f"depths={self.depths}: an exponent needs three depths at least")
        strengths = self.strengths
        if len(strengths) < 2 or sorted(set(strengths)) != strengths or strengths[0] or not strengths[-1] <= 1:
            raise InvalidInput(
                f"strengths={strengths}: allowed are increasing numbers from 0 to 1, 0 and another at least"
            )
        if self.kernel_size != StackConfig.kernel_size:
            raise InvalidInput(f"kernel_size={self.kernel_size} is not read; give kernel_sizes")
