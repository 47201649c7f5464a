"""Data sets in memory: images, labels and the scaling that networks see."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from erf.arguments import real_array, require_type, shown
from erf.errors import InvalidInput
from erf.seeds import generator

LEVELS = 256  # of a pixel's byte


def _require_bytes(images: Tensor) -> None:
    require_type(Tensor, images=images)
    if images.dtype is not torch.uint8 or images.ndim != 4:
        raise InvalidInput(f"images must be uint8 [N, C, H, W], not {images.dtype} {list(images.shape)}")


@dataclass(frozen=True)
class Normalization:
    r"""The scaling of bytes to the network's input, per channel.

    .. math:: x' = (x / 255 - mean) / std
    """

    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        mean, std = real_array(self.mean, "mean"), real_array(self.std, "std")
        if mean.ndim != 1 or mean.shape != std.shape or not (std > 0).all():
            raise InvalidInput(
                f"mean={shown(self.mean)}, std={shown(self.std)}: allowed is one of each a channel, std above 0"
            )

    @classmethod
    def of(cls, images: Tensor) -> Normalization:
        """Return the scaling that gives each channel of ``images``, uint8 ``[N, C, H, W]``, mean 0 and variance 1.

        Raises:
            InvalidInput: A channel is constant, or there is no image, or images are no bytes.
        """
        _require_bytes(images)
        levels = torch.arange(LEVELS, dtype=torch.float64) / (LEVELS - 1)
        mean, std = [], []
        for channel in images.unbind(1):
            # By counts of the levels: exact, and without a copy of all images in a wider type.
            share = torch.bincount(channel.flatten(), minlength=LEVELS).double() / max(channel.numel(), 1)
            mean.append(float(share @ levels))
            std.append(float(share @ (levels - mean[-1]).square()) ** 0.5)
        if not all(std):
            raise InvalidInput("a channel of the images is constant, so it cannot be scaled to variance 1")
        return cls(tuple(mean), tuple(std))

    def __call__(self, images: Tensor) -> Tensor:
        """Return uint8 ``[N, C, H, W]`` as float32 in the memory format channels_last, on the same device.

        Raises:
            InvalidInput: They are no bytes, or have another number of channels.
        """
        _require_bytes(images)
        if images.shape[1] != len(self.std):
            raise InvalidInput(f"images have {images.shape[1]} channels, mean and std {len(self.std)}")
        scale = torch.tensor([1 / (255 * std) for std in self.std], device=images.device)
        shift = torch.tensor([-mean / std for mean, std in zip(self.mean, self.std, strict=True)], device=images.device)
        x = images.to(torch.float32, memory_format=torch.channels_last)
        return x.mul_(scale[:, None, None]).add_(shift[:, None, None])


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels.

    Attributes:
        images: uint8 ``[N, 3, H, W]``.
        labels: Classes, int64 ``[N]``, or one for every pixel, uint8 ``[N, H, W]``.
        normalization: Of the training images of its data set.
    """

    images: Tensor
    labels: Tensor
    normalization: Normalization = field(default_factory=Normalization)

    def __post_init__(self) -> None:
        _require_bytes(self.images)
        require_type(Tensor, labels=self.labels)
        require_type(Normalization, normalization=self.normalization)
        shapes = [self.images.shape[:1], (len(self.images), *self.images.shape[2:])]
        if self.labels.shape not in shapes:
            raise InvalidInput(f"labels must have shape [N] or [N, H, W], not {list(self.labels.shape)}")
        if self.labels.is_floating_point() or self.labels.is_complex() or (self.labels < 0).any():
            raise InvalidInput(f"labels={shown(self.labels)}: allowed are whole numbers from 0")

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, indices: Tensor) -> Split:
        """Return the images of these indices, in this order."""
        return replace(self, images=self.images[indices], labels=self.labels[indices])

    def normalized(self, indices: Tensor | slice = slice(None)) -> Tensor:
        """Return images as the network sees them, float32 ``[n, 3, H, W]``; no augmentation."""
        return self.normalization(self.images[indices])

    def with_shuffled_labels(self, seed: int) -> Split:
        """Return the same images with each other's labels: nothing is left to learn but the labels' frequencies."""
        return replace(self, labels=self.labels[torch.randperm(len(self), generator=generator(seed))])


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set's three splits and the names of its classes, by label."""

    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        require_type(Split, train=self.train, validation=self.validation, test=self.test)
        require_type(tuple, list, classes=self.classes)
        for name in self.classes:
            require_type(str, classes=name)

    @classmethod
    def normalized(cls, train: Split, validation: Split, test: Split, classes: tuple[str, ...]) -> DataSet:
        """Return the data set with the scaling of its training images."""
        scaling = Normalization.of(train.images)
        train, validation, test = (replace(split, normalization=scaling) for split in (train, validation, test))
        return cls(train, validation, test, classes)

    def splits(self) -> dict[str, Split]:
        """Return the splits by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def content(self) -> str:
        """Return the SHA-256, in hex, of all pixels and labels: two data sets with the same one are the same."""
        digest = hashlib.sha256()
        for split in self.splits().values():
            digest.update(str(tuple(split.images.shape)).encode())
            digest.update(split.images.permute(0, 2, 3, 1).contiguous().numpy().data)
            digest.update(split.labels.to(torch.uint8).contiguous().numpy().data)
        return digest.hexdigest()
