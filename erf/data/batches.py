"""Batches of a split in an order that depends on nothing but a seed and indices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from erf.arguments import require_callable, require_type, require_whole
from erf.arguments.device import named_device
from erf.data.split import Split
from erf.errors import InvalidInput
from erf.seeds import generator

Augmentation = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]

ORDER, AUGMENTATION = 1, 2  # streams of random numbers


def _require_step(epoch: int, rank: int, world_size: int, start_step: int) -> None:
    require_whole(0, epoch=epoch, rank=rank, start_step=start_step)
    require_whole(world_size=world_size)
    if rank >= world_size:
        raise InvalidInput(f"rank={rank}: allowed are the numbers of {world_size} processes, from 0")


@dataclass(frozen=True)
class Batches:
    """Passes over a split: each is determined by the seed, the epoch and the process alone.

    All processes share one order of the images; each step takes the next ``batch_size * world_size`` of it, of which
    the process of rank r gets the r-th part. So the images of a step do not depend on how they are spread.

    Attributes:
        split: The images and labels.
        batch_size: Images of one process in one step.
        seed: Of the order and of the augmentation.
        augment: Applied to bytes and labels on the training device, with a generator for each step; None: nothing.
        shuffle: A new order in every epoch; otherwise that of the split.
        drop_last: Leave out the images that do not fill a step. Else the last step is smaller, its parts differ by at
            most one image, and those of the last ranks may be empty: right for evaluation, wrong for batch norm.

    Raises:
        InvalidInput: The batch size is below 1, or the split is empty.
    """

    split: Split
    batch_size: int
    seed: int = 0
    augment: Augmentation | None = None
    shuffle: bool = True
    drop_last: bool = False

    def __post_init__(self) -> None:
        require_type(Split, split=self.split)
        require_whole(batch_size=self.batch_size)
        require_whole(0, seed=self.seed)
        require_type(bool, shuffle=self.shuffle, drop_last=self.drop_last)
        if self.augment is not None:
            require_callable(augment=self.augment)
        if not len(self.split):
            raise InvalidInput("the split has no images")

    def steps(self, world_size: int = 1) -> int:
        """Return the number of steps of an epoch, the same for every process.

        Raises:
            InvalidInput: There are too few images for one step, and ``drop_last`` leaves them all out.
        """
        require_whole(world_size=world_size)
        full_steps, rest = divmod(len(self.split), self.batch_size * world_size)
        steps = full_steps + (rest > 0 and not self.drop_last)
        if not steps:
            raise InvalidInput(
                f"batch_size={self.batch_size} in {world_size} processes: allowed with {len(self.split)} images are up "
                f"to {len(self.split) // world_size}"
            )
        return steps

    def epoch(
        self, epoch: int, rank: int = 0, world_size: int = 1, device: torch.device | str = "cpu", start_step: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the images, normalized float32 ``[n, 3, H, W]`` in channels_last, and int64 labels of each step.

        Args:
            epoch: Number of the pass.
            rank: Of this process.
            world_size: Number of processes.
            device: Where the batches are wanted and augmented.
            start_step: The first step to yield; skipping costs nothing.
        """
        _require_step(epoch, rank, world_size, start_step)
        device = named_device(device)
        order = self._order(epoch)
        stride = self.batch_size * world_size
        for step in range(start_step, self.steps(world_size)):
            part = order[step * stride : (step + 1) * stride].tensor_split(world_size)[rank]
            images, labels = (tensor[part].to(device) for tensor in (self.split.images, self.split.labels))
            if self.augment is not None:
                images, labels = self.augment(images, labels, generator(self.seed, AUGMENTATION, epoch, rank, step))
            yield self.split.normalization(images), labels.long()

    def _order(self, epoch: int) -> Tensor:
        if not self.shuffle:
            return torch.arange(len(self.split))
        return torch.randperm(len(self.split), generator=generator(self.seed, ORDER, epoch))


@dataclass(frozen=True)
class Portions:
    """The steps of all passes over a split in portions of equal length, each of which counts as an epoch.

    For training that is judged every so many steps, whatever the size of the split: portion n holds the steps from
    ``n * length`` on, counted over all passes.

    Attributes:
        batches: The passes.
        length: Steps of a portion.

    Raises:
        InvalidInput: The length is below 1.
    """

    batches: Batches
    length: int

    def __post_init__(self) -> None:
        require_type(Batches, batches=self.batches)
        require_whole(length=self.length)

    def steps(self, world_size: int = 1) -> int:
        """Return the number of steps of a portion."""
        self.batches.steps(world_size)  # refuses what it refuses
        return self.length

    def epoch(
        self, epoch: int, rank: int = 0, world_size: int = 1, device: torch.device | str = "cpu", start_step: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of portion ``epoch`` from ``start_step`` on, as :meth:`Batches.epoch` does."""
        _require_step(epoch, rank, world_size, start_step)
        device = named_device(device)
        step, end = epoch * self.length + start_step, (epoch + 1) * self.length
        while step < end:
            number, first = divmod(step, self.batches.steps(world_size))
            for batch in islice(self.batches.epoch(number, rank, world_size, device, first), end - step):
                yield batch
                step += 1
