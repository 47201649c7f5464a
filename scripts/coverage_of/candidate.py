"""A network that can be made, and the choice of one of each family."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

Family = tuple[str, ...]


@dataclass(frozen=True)
class Ready:
    """A network and the images that it takes."""

    module: nn.Module
    size: tuple[int, ...] = (224, 224)
    channels: int = 3


@dataclass(frozen=True)
class Candidate:
    """A network that can be made."""

    package: str
    name: str
    make: Callable[[], Ready]


class Prepared(nn.Module):
    """A network that does not take images ``[N, C, *size]`` as they are."""

    def __init__(self, network: nn.Module, call: Callable[[nn.Module, Tensor], Any]) -> None:
        super().__init__()
        self.network, self.call = network, call

    def forward(self, images: Tensor) -> Any:
        """Return what the network makes of them."""
        return self.call(self.network, images)


def smallest_of_each(names: Iterable[str], family: Callable[[str], Family]) -> list[str]:
    """Return one name of each family: that which says it is small, else the shortest."""
    families: dict[Family, list[str]] = {}
    for name in names:
        families.setdefault(family(name), []).append(name)
    return [min(members, key=_size) for members in families.values()]


SMALL = ["test", "atto", "femto", "pico", "nano", "xxs", "xxt", "xs", "zepto", "micro", "tiny", "mini", "small"]
SMALL += ["_s", "_t"]


def _size(name: str) -> tuple[float, float, int, str]:
    rank = next((rank for rank, word in enumerate(SMALL) if word in name), len(SMALL))
    numbers = [int(number) for number in re.findall(r"\d+", name)]
    return rank, float(sum(numbers)), len(name), name


def without_digits(name: str) -> str:
    """Return a name without the numbers that tell sizes apart."""
    return re.sub(r"\d+", "", name)
