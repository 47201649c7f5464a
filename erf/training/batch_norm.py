"""Running statistics of batch norm for networks that were never trained."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from erf.errors import InvalidInput


def calibrate_batch_norm_(network: nn.Module, images: Tensor | Iterable[Tensor]) -> None:
    """Set the running statistics of batch norm to their plain average over the batches.

    In eval mode a batch norm that has seen no data is the identity, so that the network is another one than that whose
    training begins. All other layers run in eval mode. Modes and momenta are as before. A network without batch norm
    is not run; a batch norm that is not run (of auxiliary classifiers) stays the identity.

    Args:
        network: Whose running means and variances are replaced.
        images: A batch ``[N, C, H, W]`` with two images at least, or an iterable of such batches.

    Raises:
        InvalidInput: There is no batch.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms:
        return
    modes = {module: module.training for module in network.modules()}
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average
        norm.training = True
    try:
        with torch.no_grad():
            for batch in [images] if isinstance(images, Tensor) else images:
                network(batch)
    finally:
        for module, training in modes.items():
            module.training = training
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    if not any(norm.num_batches_tracked for norm in norms):
        raise InvalidInput("there is no batch to average batch norm's statistics over")
