"""The card: one page that shows how far a network sees, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

import erf
from erf.card import sentences
from erf.card.chart import depth_chart
from erf.card.inspector import Entry, Pack, contour_of, pack
from erf.card.page import rendered
from erf.card.pictures import Curve, Picture, block_of, blocks, curve, flat, picture
from erf.card.png import of_image
from erf.card.table import columns, has_local
from erf.layers.measured_layer import LayerMeasurement, Setting
from erf.metrics.erf_size import above_threshold
from erf.reachability.receptive_field import Box, ReceptiveField

SMALLEST = 3  # side of a map that the inspector shows, in pixels


def card_page(layers: Sequence[LayerMeasurement], on: Setting) -> str:
    """Return the page of a measured network, as HTML.

    Args:
        layers: The deepest last.
        on: What was measured, on what, and how.

    Raises:
        MissingPackage: jinja2 is not installed.
    """
    shape = layers[0].map.values.shape
    block = block_of(shape, len(layers))
    image = on.example
    return rendered(
        "card.html.j2",
        layers=layers,
        on=on,
        sentences=sentences,
        columns=columns(layers),
        chart=depth_chart(layers),
        pictures=[_picture(layer, block) for layer in layers],
        curves=len(shape) == 1,
        local=any(has_local(layer.field) for layer in layers),
        photo="" if image is None or len(shape) != 2 else of_image(_stretched(image)),
        maps=_pack(layers, block) if min(shape[-2:]) >= SMALLEST and len(shape) > 1 else None,
        command=on.command or sentences.call(layers, on),
        versions=f"erf {erf.__version__}, torch {torch.__version__}",
    )


def _picture(layer: LayerMeasurement, block: int) -> Picture | Curve:
    field = layer.field
    trf, local = _box(field), _box(field.local) if has_local(field) else None
    region = _region(layer)
    if layer.map.values.ndim == 1:
        return curve(layer.map.values, region, trf, local)
    return picture(flat(layer.map), region, trf, local, block)


def _region(layer: LayerMeasurement) -> np.ndarray | None:
    """Return the pixels of the ERF, of rows and columns those that are in it in any frame; None without an ERF."""
    if layer.reference is None:
        return None
    above = above_threshold(layer.map, layer.reference)
    return np.asarray(above.any(axis=tuple(range(above.ndim - 2))))


def _box(field: ReceptiveField) -> Box | None:
    """Return the box of a field along the axes that are drawn; None where it is not finite, or nothing is left."""
    return None if {None, math.inf} & {*field.size[-2:]} else field.box[-2:]


def _pack(layers: Sequence[LayerMeasurement], block: int) -> Pack | None:
    """Return the maps that are not 0 everywhere for the inspector."""
    entries = [_entry(layer, block) for layer in layers if layer.map.values.any()]
    return pack(entries) if entries else None


def _entry(layer: LayerMeasurement, block: int) -> Entry:
    box = _box(layer.field)
    note = "" if box else "the TRF spans the image"
    contour = contour_of(layer.comparison.fit) if layer.map.values.ndim == 2 else None
    corners = (*box[0], *box[1]) if box else None
    return Entry(layer.name, blocks(flat(layer.map), block), corners, note, contour, block=block)


def _stretched(image: np.ndarray) -> np.ndarray:
    """Return an image over its whole range, however its values were normalized."""
    low, high = np.percentile(image, (1, 99))
    return (image - low) / ((high - low) or 1.0)
