"""The backward pass of batch norm, kept from what torch reads wrongly.

On a CPU torch 2.14.1 takes the gradient and the input to be ordered alike in memory wherever each of them is contiguous
or channels-last and one of the two has a dimension of size 1, as a single image has, with a stride that no layout would
give it. Where they are not ordered alike the result is another gradient. The dtype and the mode do not matter, and
instance norm, which torch computes as the batch norm of a single image, is meant, too.
"""

from __future__ import annotations

import torch
from torch import Tensor

CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def ordered_alike(grad_output: Tensor, input: Tensor) -> Tensor:
    """Return the gradient as it is, or in the input's order in memory where torch could take the one for the other."""
    theirs, own = _layouts(grad_output), _layouts(input)
    confused = theirs and own and not theirs & own
    return torch.empty_like(input).copy_(grad_output) if confused else grad_output


def _layouts(values: Tensor) -> set[torch.memory_format]:
    """Return the orders in memory that these values are in: both where the channels, or the positions, are one."""
    formats = {torch.contiguous_format, CHANNELS_LAST.get(values.ndim, torch.contiguous_format)}
    return {layout for layout in formats if values.is_contiguous(memory_format=layout)}
