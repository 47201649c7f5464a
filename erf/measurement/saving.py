"""A measurement as a file: its page, its numbers, its maps or its figure, by the ending of the name."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from erf.errors import InvalidInput
from erf.files.atomic_file import atomic_write
from erf.layers.measured_layer import LayerMeasurement, Setting
from erf.layers.numbers import axes_text, ratio_text, size_text, trf_text

if TYPE_CHECKING:
    from erf.plotting import Figure

Layers = Sequence[LayerMeasurement]


def save(layers: Layers, setting: Setting, path: Path, overwrite: bool = False) -> Path:
    """Write a measurement to a file of one of the kinds in :data:`WRITERS`; errors as of its ``save``."""
    require_savable(path, overwrite)
    atomic_write(path, WRITERS[path.suffix.lower()](layers, setting, path.suffix.lower()[1:]))
    return path


def require_savable(path: Path, overwrite: bool = False, option: str = "") -> None:
    """Raise InvalidInput, which begins with the option, unless a measurement can be written there."""
    if path.suffix.lower() not in WRITERS:
        raise InvalidInput(f"{option}{path} cannot be saved to: allowed are names that end with {', '.join(WRITERS)}")
    if not path.parent.is_dir():
        raise InvalidInput(f"{option}{path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise InvalidInput(f"{option}{path}: the folder cannot be written to")
    if path.exists() and not overwrite:
        raise InvalidInput(f"{option}{path} is there already; allowed: another name, or overwrite=True")


def _card(layers: Layers, setting: Setting, _kind: str) -> bytes:
    from erf.card.card import card_page  # here: it needs jinja2

    return card_page(layers, setting).encode()


def _figure(layers: Layers, _setting: Setting, kind: str) -> bytes:
    buffer = io.BytesIO()
    draw(layers).savefig(buffer, format=kind)
    return buffer.getvalue()


def draw(layers: Layers) -> Figure:
    """Return a figure of the layers' maps, each with its TRF's box and its Gaussian (needs matplotlib)."""
    from erf.plotting import draw_maps  # here: it needs matplotlib

    titles = [
        f"{layer.name}\nTRF {trf_text(layer)}, ratio {ratio_text(layer, 2)}\n"
        f"ERF {size_text(layer.erf_size, layer.interval)}"
        for layer in layers
    ]
    return draw_maps([layer.map for layer in layers], titles, [layer.fit for layer in layers])


def _maps(layers: Layers, _setting: Setting, _kind: str) -> bytes:
    buffer = io.BytesIO()
    maps: Any = {layer.name: layer.map.values for layer in layers}
    np.savez_compressed(buffer, **maps)
    return buffer.getvalue()


def _rows(layers: Layers, _setting: Setting, _kind: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(row(layers[0])))
    writer.writeheader()
    writer.writerows(row(layer) for layer in layers)
    return text.getvalue().encode()


def row(layer: LayerMeasurement) -> dict[str, Any]:
    """Return a layer's numbers by name; of several axes joined by " x " where they differ, None where there is none."""
    low, high = layer.interval or (None, None)
    expected = layer.expected
    of_theory = expected and {
        "expected_size": expected.erf_size,
        "expected_sigma": expected.sigma and axes_text(expected.sigma, 3),
    }
    return {
        "layer": layer.name,
        "unit": axes_text(layer.field.unit) if layer.field.unit else None,
        "trf_size": axes_text(layer.trf_size),
        "local_trf_size": axes_text(layer.local_size),
        "jump": axes_text(layer.field.jump),
        "erf_size": layer.erf_size,
        "erf_size_low": low,
        "erf_size_high": high,
        "raw_size": layer.raw_size,
        "ratio": layer.ratio,
        "r50": layer.r50,
        "r95": layer.r95,
        "sigma": layer.sigma and axes_text(layer.sigma, 3),
        **(of_theory or {}),
        "samples": layer.map.samples,
        "notes": "; ".join(layer.notes),
    }


WRITERS: dict[str, Callable[[Layers, Setting, str], bytes]] = {
    ".html": _card,
    ".csv": _rows,
    ".npz": _maps,
    ".png": _figure,
    ".pdf": _figure,
    ".svg": _figure,
}
