"""Running statistics of batch norm for networks that were never trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from erf.arguments import require_images, require_type, require_weights, through
from erf.errors import InvalidInput, is_out_of_memory
from erf.maps.layer_outputs import run


def calibrate_batch_norm_(network: nn.Module, images: Tensor | Iterable[Tensor]) -> None:
    """Set the running statistics of batch norm to their plain average over the batches.

    In eval mode a batch norm that has seen no data is the identity, so that the network is another one than that whose
    training begins. All other layers run in eval mode. Modes and momenta are as before. A network without batch norm
    is not run; a batch norm that is not run (of auxiliary classifiers) stays the identity.

    Args:
        network: Whose running means and variances are replaced.
        images: A batch ``[N, C, H, W]`` with two images at least, or an iterable of such batches.

    Raises:
        InvalidInput: There is no batch, images or weights are not finite, the network does not run on the images, or
            its activations overflow. The statistics are then as before.
    """
    require_type(nn.Module, network=network)
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms:
        return
    require_type(Tensor, Iterable, images=images)
    with _unless_refused(norms), _averaging(network, norms):
        require_weights(network)
        for batch in [images] if isinstance(images, Tensor) else through(images):
            require_images(batch)
            _run(network, batch)
        if not any(norm.num_batches_tracked for norm in norms):
            raise InvalidInput("there is no batch to average batch norm's statistics over")
        require_weights(network)  # the new statistics among them


@contextmanager
def _averaging(network: nn.Module, norms: list[_BatchNorm]) -> Iterator[None]:
    """Let batch norm average anew over what is run meanwhile."""
    modes = {module: module.training for module in network.modules()}
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average
        norm.training = True
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


@contextmanager
def _unless_refused(norms: list[_BatchNorm]) -> Iterator[None]:
    """Put the statistics back where something fails."""
    before = [{name: buffer.clone() for name, buffer in norm.named_buffers()} for norm in norms]
    try:
        yield
    except BaseException:  # Ctrl-C, too, must not leave half of them
        for norm, buffers in zip(norms, before, strict=True):
            for name, buffer in norm.named_buffers():
                buffer.copy_(buffers[name])
        raise


def _run(network: nn.Module, images: Tensor) -> None:
    """Run the network; running out of memory is the caller's to explain."""
    try:
        run(network, images)
    except InvalidInput as error:
        if error.__cause__ is not None and is_out_of_memory(error.__cause__):
            raise error.__cause__ from None
        raise
