"""What the words on the command line name: a network, images, and what is measured of the one on the other."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

from torch import Tensor, nn

import erf
from erf.command.network_source import Source, make_network
from erf.data.noise import NoiseImages
from erf.data.pictures import Pictures
from erf.errors import InvalidInput
from erf.measurement.measurement import Measurement
from erf.measurement.measuring import GROUPS
from erf.reachability.forward import likely_channels

PATIENCE = 5  # seconds after which a terminal is told how far the measuring is


def network_of(name: str, weights: str, seed: int) -> nn.Module:
    """Return the network that the command line names; see :func:`erf.command.network_source.make_network`."""
    return make_network(*source_of(name), weights, seed)


def source_of(name: str) -> tuple[Source, str]:
    """Return where the network comes from that the command line names, and what it is called there."""
    if ".py:" in name:
        return Source.file, name
    if name.endswith(".py"):
        raise InvalidInput(f"network={name!r}: allowed is {name}:FACTORY, where FACTORY is a function of that file")
    source, colon, model = name.rpartition(":")
    if colon and source not in (Source.timm, Source.torchvision):
        raise InvalidInput(f"network={name!r}: allowed are MODEL, timm:MODEL and path/to/file.py:FACTORY")
    return Source(source or "torchvision"), model


def measured(options: argparse.Namespace, name: str, weights: str) -> Measurement:
    """Return what was measured of one network; images come in ten groups, from which the intervals are."""
    network = network_of(name, weights, options.seed)
    channels = likely_channels(network, options.input)[0] if options.channels is None else options.channels
    images, words = _images(options, channels)
    measurement = erf.measure(
        network, with_progress(images), options.layers,
        unit=options.unit and (options.unit if len(options.unit) > 1 else options.unit[0]),
        statistic=options.statistic, aggregation=options.aggregation, seed=options.seed, mode=options.mode,
        device=options.device, precision=options.precision,
    )  # fmt: skip
    example = measurement.setting.example if options.images else None  # noise is no picture to look at
    setting = replace(measurement.setting, network=name, images=words, command=options.command, example=example)
    return replace(measurement, setting=setting)


def _images(options: argparse.Namespace, channels: int) -> tuple[NoiseImages | Pictures, str]:
    """Return the images, a batch for each group, and what they are in words."""
    size, batch_size = options.input, -(-options.samples // GROUPS)
    if options.images is None:
        if options.mean or options.std:
            raise InvalidInput("--mean and --std are those of pictures: give --images, too")
        noise = NoiseImages("normal", (channels, *size), options.samples, options.seed, batch_size)
        return noise, f"{options.samples} images of normal noise"
    if len(size) != 2:
        raise InvalidInput(f"--input {','.join(map(str, size))}: pictures have rows and columns")
    try:
        normalized = {"mean": options.mean, "std": options.std}
        pictures = Pictures(options.images, size, channels, batch_size=batch_size, limit=options.samples, **normalized)
    except InvalidInput as error:
        raise InvalidInput(f"--images {options.images}: {error}") from error
    return pictures, f"{len(pictures.paths)} pictures of {options.images}"


def with_progress(batches: Iterable[Tensor]) -> Iterator[Tensor]:
    """Yield the batches; on a terminal, say how many are done once that takes long."""
    began, written = time.monotonic(), False
    for number, batch in enumerate(batches):
        if sys.stderr.isatty() and time.monotonic() - began > PATIENCE:
            print(f"\r{number} groups of images measured", end="", file=sys.stderr, flush=True)
            written = True
        yield batch
    if written:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
