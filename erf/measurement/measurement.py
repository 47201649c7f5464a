"""What one call measured of a network: a row for each layer, to be printed, drawn and kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from erf.errors import InvalidInput
from erf.layers.measured_layer import LayerMeasurement, Setting
from erf.measurement.saving import draw, save
from erf.measurement.text import as_html, as_text

if TYPE_CHECKING:
    from erf.plotting import Figure


@dataclass(frozen=True)
class Measurement:
    """The fields of a network's layers; ``measurement["layer3"]`` is one, ``print(measurement)`` a table of all.

    Attributes:
        layers: In the order asked for.
        setting: What was measured, on what, and how.
    """

    layers: tuple[LayerMeasurement, ...]
    setting: Setting

    def __getitem__(self, name: str) -> LayerMeasurement:
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise InvalidInput(f"layer {name!r} was not measured; allowed: {', '.join(self)}")

    def __iter__(self) -> Iterator[str]:
        return (layer.name for layer in self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __str__(self) -> str:
        return as_text(self.layers, self.setting)

    def _repr_html_(self) -> str:
        return as_html(self.layers, self.setting)

    def figure(self) -> Figure:
        """Return a figure of all maps, each over its peak (needs matplotlib)."""
        return draw(self.layers)

    def save(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write what the name's ending says and return its path; the file appears whole or not at all.

        ``.html``: the card, a page to look at; ``.csv``: a row for each layer; ``.npz``: the maps, by layer;
        ``.png``, ``.pdf``, ``.svg``: the figure.

        Args:
            path: Of the file.
            overwrite: Whether one that is there may be replaced.

        Raises:
            InvalidInput: The ending is another one, the folder is missing, or the file is there.
        """
        return save(self.layers, self.setting, Path(path), overwrite)
