"""The logbook: an experiment's one door to the outside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from erf import GaussianFit, InfluenceMap

T = TypeVar("T")


class Logbook(Protocol):
    """Takes what a run reports, and keeps what it has measured until there is a record."""

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log each of ``values`` under its name."""
        ...

    def map(self, tag: str, imap: InfluenceMap, fit: GaussianFit | None, step: int) -> None:
        """Log a map, and with a fit both at ``tag/fit``."""
        ...

    def progress(self, items: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:
        """Return ``items``; while they are gone through, it may be shown how far (of ``total``, or their length)."""
        ...

    def say(self, line: str) -> None:
        """Tell a line to whoever watches a long run."""
        ...

    def once(self, name: str, kind: type[T], measure: Callable[[], T]) -> T:
        """Return ``measure()``, of type ``kind``, or what it returned before this run was interrupted.

        Raises:
            InvalidInput: What was kept of it is damaged.
        """
        ...

    @property
    def training(self) -> Path:
        """The folder of a training's checkpoints, until there is a record."""
        ...

    def animation(self, name: str, maps: Mapping[str, InfluenceMap]) -> None:
        """Add maps to the record as the frames of ``name``.gif, each under its title."""
        ...

    def attach(self, name: str, content: bytes) -> None:
        """Add a file to the record besides the numbers."""
        ...
