"""Effective receptive fields over many images, measured by several processes together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from erf.arguments import require_dense, require_type, require_values, require_whole, shown
from erf.errors import InvalidInput
from erf.maps.influence import effective_receptive_field
from erf.maps.influence_map import InfluenceMap

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def sharded_receptive_field(
    fabric: Fabric,
    network: nn.Module,
    images: Dataset[Any] | Tensor,
    layer: str | list[str] | None = None,
    unit: Any = None,
    batch_size: int = 8,
    workers: int = 0,
    **settings: Any,
) -> Any:
    """Measure as :func:`erf.effective_receptive_field` does, each process its share of the images.

    Shares are contiguous; each image has the random signs of its index in ``images``, so the result depends on the
    number of processes by rounding alone. While one batch is measured on a GPU, ``workers`` read the next.

    Args:
        fabric: Device and processes, launched.
        network: Moved to the process's device; otherwise left as it was found.
        images: A tensor ``[N, C, H, W]``, or a data set with a length, whose items are images ``[C, H, W]`` or tuples
            that begin with one.
        layer: As there.
        unit: As there.
        batch_size: Images in one forward pass of one process.
        workers: Processes that read the data set, for each process that measures.
        settings: ``statistic``, ``aggregation``, ``seed``, ``mode``, ``normalize``.

    Returns:
        What that function returns, the same in every process.

    Raises:
        InvalidInput: As there, and where there are fewer images than processes.
    """
    require_type(nn.Module, network=network)
    require_values(network=network)
    require_whole(batch_size=batch_size)
    require_whole(0, workers=workers)
    if isinstance(images, Tensor):
        require_dense(images=images)
    if not hasattr(images, "__len__") or not hasattr(images, "__getitem__"):
        raise InvalidInput(f"images={shown(images)}: allowed are a tensor and a data set with a length")
    count, processes = len(images), fabric.world_size  # pyright: ignore[reportArgumentType]  # a Dataset may have one
    if count < processes:
        raise InvalidInput(f"{count} images are too few for {processes} processes; allowed is one for each at least")
    first, end = (count * rank // processes for rank in (fabric.global_rank, fabric.global_rank + 1))
    share, on_gpu = range(first, end), fabric.device.type == "cuda"
    part = images[first:end] if isinstance(images, Tensor) else _read(images, share, batch_size, workers, on_gpu)
    found = effective_receptive_field(
        network.to(fabric.device), part, layer, unit, first_sample=first, batch_size=batch_size, **settings
    )
    return _joined(fabric, found)


def _read(images: Dataset[Any], share: range, batch_size: int, workers: int, pinned: bool) -> Iterator[Any]:
    yield from DataLoader(Subset(images, share), batch_size, num_workers=workers, pin_memory=pinned)


def _joined(fabric: Fabric, found: Any) -> Any:
    """Merge what all processes found, in whatever lists and dicts the maps come."""
    if isinstance(found, dict):
        return {name: _joined(fabric, part) for name, part in found.items()}
    if isinstance(found, list):
        return [_joined(fabric, part) for part in found]
    return _merged(fabric, found)


def _merged(fabric: Fabric, mine: InfluenceMap) -> InfluenceMap:
    numbers = torch.tensor([mine.samples, mine.skipped], dtype=torch.float64)
    values: Any = fabric.all_gather(torch.from_numpy(mine.values))
    counts: Any = fabric.all_gather(numbers)
    findings: tuple[str, ...] = fabric.broadcast(mine.findings)
    if fabric.world_size == 1:
        return mine
    maps = [
        replace(mine, values=np.asarray(v.cpu()), samples=int(c[0]), skipped=int(c[1]), findings=findings)
        for v, c in zip(values, counts, strict=True)
    ]
    return reduce(InfluenceMap.merge, maps)
