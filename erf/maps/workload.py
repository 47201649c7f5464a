"""Whether a network's convolutions make more values of the images than they have weights.

To order weights anew in memory, or to multiply them by those of a batch norm, takes as long for one image as for many.
It pays where there is more to be spared in what is computed of the images.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import nn
from torch.nn.modules.conv import _ConvNd

from erf.maps.cropping import Crop
from erf.reachability.record import Trace
from erf.reachability.registry import name_of


def outweighs_weights(network: nn.Module, passed: Trace, crops: Sequence[Crop], images: int) -> bool:
    """Return whether there are at least half as many outputs of convolutions as weights, up to the last layer.

    Args:
        network: Whose pass it is.
        passed: On two whole images.
        crops: Parts of them that are run.
        images: How many of each.
    """
    last = max((probe.field.step.operations for crop in crops for probe in crop.probes.values()), default=0)
    modules = dict(network.named_modules())
    run = {modules[step.name] for step in passed.steps if step.leaf and step.operations <= last}
    weights = sum(module.weight.numel() for module in run if isinstance(module, _ConvNd))
    made = [each for each in passed.operations[:last] if each.operator and name_of(each.operator) == "convolution"]
    values = sum(prod(each.shapes[0]) for each in made)
    share = sum(prod(end - first for first, end in crop.box) for crop in crops) / prod(passed.size)
    return images * share * values >= weights
