"""Measured networks to make cards of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from torch import nn

import erf
from erf.card.card import card_page
from erf.metrics.erf_size import Reference


@dataclass(frozen=True)
class Layer:
    name: str
    field: erf.ReceptiveField
    map: erf.InfluenceMap
    erf_size: float | None
    raw_size: float | None
    interval: tuple[float, float] | None
    reference: Reference | None
    cut: tuple[bool, ...] | None
    ratio: float | None
    r50: float | None
    r95: float | None
    comparison: erf.Comparison
    sigma: tuple[float, ...] | None = None
    expected: None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Network:
    network: str
    layers: Sequence[Layer]
    images: str = "8 images of normal noise"
    example: np.ndarray | None = None
    seed: int = 0
    mode: str = "eval"
    command: str = ""


def page_of(network: Network, command: str = "") -> str:
    return card_page(network.layers, replace(network, command=command))


def layer_of(name, field, imap, notes=()):
    both = erf.compare(field, imap)
    interval = None if both.erf_size is None else (0.98 * both.erf_size, 1.01 * both.erf_size)
    read = {key: getattr(both, key) for key in ("erf_size", "reference", "cut", "ratio", "r50", "r95", "sigma")}
    return Layer(
        name=name,
        field=field,
        map=imap,
        interval=interval,
        raw_size=both.erf_size,
        comparison=both,
        notes=notes,
        **read,
    )


def measured(network: nn.Module, shape: tuple[int, ...], layers: Sequence[str], **others) -> Network:
    """Measure layers of a network on 4 images of noise ``[channels, ...]``."""
    torch.manual_seed(0)
    images = torch.randn(4, *shape)
    fields = erf.theoretical_receptive_field(network, shape[1:], list(layers), channels=shape[0])
    maps = erf.effective_receptive_field(network, images, layer=list(layers))
    of_layers = [layer_of(name, fields[name], maps[name], maps[name].diagnostics) for name in layers]
    return Network(**{"network": "Small net", "layers": of_layers} | others)


def convolutions(kind, channels=4, depth=3, **settings) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [kind(1 if at == 0 else channels, channels, 3, **settings) for at in range(depth)]
    return nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))


@cache
def small() -> Network:
    """A plain network of two axes, on noise."""
    return measured(convolutions(nn.Conv2d), (1, 32, 40), ["1", "3", "5"])


@cache
def worst() -> Network:
    """Eight layers whose maps fill an image of 224 pixels with noise, which nothing compresses."""
    network = nn.Conv2d(1, 1, 3, padding=112, dilation=112)
    field = erf.theoretical_receptive_field(network, (224, 224))
    generator = np.random.default_rng(0)
    maps = [
        erf.InfluenceMap(generator.uniform(0, 1, (224, 224)), "mean_abs", field.center, field.box, 8) for _ in range(8)
    ]
    first = layer_of("stage0", field, maps[0])
    return Network("Noise", [replace(first, name=f"stage{at}", map=imap) for at, imap in enumerate(maps)])
