"""Whether a convolution makes more values of the images than it has weights.

To order weights anew in memory, or to multiply them by those of a batch norm, takes as long for one image as for many.
It pays where there is more to be spared in what is computed of the images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from torch import nn
from torch.nn.modules.conv import _ConvNd

from erf.maps.cropping import Crop
from erf.maps.folding import Fold
from erf.reachability.record import Trace
from erf.reachability.registry import name_of


@dataclass(frozen=True)
class Workload:
    """What the convolutions make of an image, up to the last layer that is measured.

    Attributes:
        values: By convolution, of two images: half as many values as weights are enough.
    """

    values: dict[_ConvNd, float]

    @classmethod
    def of(cls, network: nn.Module, passed: Trace, crops: Sequence[Crop]) -> Workload:
        """Return that of a network.

        Args:
            network: Whose pass it is.
            passed: On two whole images.
            crops: Parts of them that are run.
        """
        last = max((probe.field.step.operations for crop in crops for probe in crop.probes.values()), default=0)
        share = sum(prod(end - first for first, end in crop.box) for crop in crops) / prod(passed.size)
        made = {
            each.results[0]: prod(each.shapes[0])
            for each in passed.operations[:last]
            if each.operator and name_of(each.operator) == "convolution"
        }
        modules = dict(network.named_modules())
        values: dict[_ConvNd, float] = {}
        for step in passed.steps:
            module = modules[step.name]
            if step.leaf and step.operations <= last and isinstance(module, _ConvNd):
                own = sum(made.get(number, 0) for number in step.results if number is not None)
                values[module] = values.get(module, 0) + share * own
        return cls(values)

    def outweighs_weights(self, images: int) -> bool:
        """Return whether all convolutions together make enough values of them to order all of their weights anew."""
        return images * sum(self.values.values()) >= sum(module.weight.numel() for module in self.values)

    def pays(self, fold: Fold, images: int) -> bool:
        """Return whether one of them makes enough values of them to multiply its weights."""
        return images * self.values.get(fold.convolution, 0) >= fold.convolution.weight.numel()
