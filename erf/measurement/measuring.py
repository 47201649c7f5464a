"""The one call: the fields of a network's layers, theoretical and effective."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from erf.arguments import (
    require_images,
    require_initialized,
    require_type,
    require_values,
    require_weights,
    require_whole,
    shown,
    through,
)
from erf.arguments.device import named_device
from erf.data.noise import NoiseImages
from erf.errors import InvalidInput
from erf.layers.expected import expected_of
from erf.layers.measured_layer import LayerMeasurement, Setting, layer_measurement
from erf.maps.influence_map import InfluenceMap
from erf.maps.measured_maps import measured_maps
from erf.maps.precision import Precision, PrecisionName
from erf.maps.prepared import Prepared
from erf.maps.statistic import Statistic, StatisticName, choice
from erf.measurement.default_layers import default_layers
from erf.measurement.measurement import Measurement
from erf.reachability.as_written import run_by
from erf.reachability.forward import likely_channels
from erf.reachability.receptive_field import ReceptiveField, theoretical_receptive_field
from erf.reachability.request import (
    Layers,
    Mode,
    ModeName,
    NamedLayer,
    Runner,
    Unit,
    Units,
    image_size,
    layer_name,
    listed,
)

GROUPS = 10  # of images: from their spread come the intervals
OUTPUT = "output"  # what the network's own output is called


def measure(
    network: nn.Module,
    images: Tensor | Iterable[Any] | None = None,
    layers: NamedLayer | Layers | None = None,
    input_size: int | Sequence[int] | None = None,
    *,
    unit: Unit | Units | None = None,
    statistic: StatisticName = "mean_abs",
    aggregation: Any = "random_sign",
    seed: int = 0,
    samples: int = GROUPS,
    mode: ModeName = "eval",
    channels: int | None = None,
    of_channels: int | Sequence[int] | None = None,
    call: Runner | None = None,
    device: str | torch.device | None = None,
    batch_size: int = 8,
    theory: bool = False,
    precision: PrecisionName = "as_is",
) -> Measurement:
    """Measure how far a network sees: the theoretical and the effective receptive field of its layers, joined.

    Args:
        network: Maps ``[N, C, *input_size]`` to anything. Left as it was found.
        images: ``[N, C, *input_size]``, or an iterable of such batches, or of tuples or lists that begin with one;
            None is normal noise.
        layers: A module or its name, or a list of these; None is the last layer with rows and columns at each of the
            four coarsest resolutions and the last of all, or the network's output if there is none.
        input_size: Of noise, in pixels: one number is a square. Images have their own.
        unit: As for :func:`erf.effective_receptive_field`; with a list, layers are named ``name@row,column``, or
            ``name@middle`` for None.
        statistic: "mean_abs", "rms" or "mean_square", over images and input channels.
        aggregation: Of output channels: "random_sign", "sum" or a channel's index.
        seed: Of noise and of random signs.
        samples: Number of noise images.
        mode: "eval" measures in eval mode, "as_is" in the modes that the network is in.
        channels: Of noise; None takes them from where the network first reads its input.
        of_channels: The input channel, or those, whose influence counts; None is all.
        call: As for :func:`erf.theoretical_receptive_field`.
        device: Where to measure: a device, its name, or "auto"; None is where the network is.
        batch_size: Images in one forward pass, at most.
        theory: Whether to say beside each ERF size which one is expected over fresh weights of the same variances, by
            :func:`erf.theory.expected_map`, or why theory does not apply there. It takes a pass more for each layer.
        precision: As for :func:`erf.effective_receptive_field`: "as_is", or "bfloat16", whose error is in the notes.

    Raises:
        InvalidInput: Neither images nor their size are given, or an argument does not fit the network.

    >>> import erf
    >>> from torch import nn
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    >>> measurement = erf.measure(network, input_size=32, layers=["0", "2"])
    >>> [(layer.name, layer.field.size, layer.erf_size) for layer in measurement.layers]
    [('0', (3, 3), 3.0), ('2', (5, 5), 5.0)]
    """
    require_weights(network, real=False)
    require_initialized(network)
    require_whole(batch_size=batch_size, samples=samples)
    require_type(bool, theory=theory)
    of_statistic = choice(Statistic, statistic, "statistic")
    if of_statistic is Statistic.signed_mean:
        raise InvalidInput("statistic='signed_mean' has no size; allowed: mean_abs, rms, mean_square")
    choice(Mode, mode, "mode")
    chosen = choice(Precision, precision, "precision")
    if channels is not None:
        require_whole(channels=channels)
    run_by(network, call)  # which looks at both
    with _moved(network, device):
        given, words = images, "the images given"
        if given is None:
            given = _noise(network, input_size, channels, samples, seed, call)
            words = f"{samples} images of normal noise"
        first, batches = _opened(given, input_size)
        channels, *sides = first.shape[1:]
        size = tuple(sides)
        example = None if images is None else first[0].detach().float().cpu().numpy()
        names = _names(network, layers, size, channels, mode, call)
        units = UnitsOf(network, names, unit, size, channels, mode, call, chosen)
        settings = (statistic, aggregation, seed, batch_size, of_channels)
        groups = _in_groups(units.maps([batch], start, *settings) for start, batch in _with_places(batches))
        theories: dict[str, Any] = {}
        if theory:
            refused = _outside_theory(network, aggregation, mode, of_channels)
            theories = _named(expected_of(network, names, unit, first, of_statistic, call, refused), unit)
    return Measurement(
        layers=units.measured(groups, theories),
        setting=Setting(type(network).__name__, size, words, seed, str(mode), example, precision=str(chosen)),
    )


class UnitsOf:
    """Units of a network: their theoretical fields, and their maps over any number of groups of images.

    Attributes:
        fields: By the name of the unit's layer, with the unit where there are several.
    """

    def __init__(
        self, network: nn.Module, layers: list[str] | None, unit: Any, size: Sequence[int], channels: int,
        mode: ModeName, call: Runner | None = None, precision: PrecisionName = "as_is",
    ) -> None:  # fmt: skip
        """Take the arguments of :func:`measure`, but that None of the layers is the network's output."""
        names: Any = layers
        fields = theoretical_receptive_field(network, size, names, unit, channels=channels, mode=mode, call=call)
        self.fields: dict[str, ReceptiveField] = _named(fields, unit)
        self._unit = unit
        self._prepared = Prepared(network, names, unit, mode, call, precision)

    def maps(
        self, images: Iterable[Any], first: int, statistic: StatisticName, aggregation: Any, seed: int,
        batch_size: int, of_channels: Any = None,
    ) -> dict[str, InfluenceMap]:  # fmt: skip
        """Return the map of each unit over batches of images, of which the first one has the index ``first``."""
        settings = (statistic, aggregation, seed, first, False, batch_size, of_channels)
        return _named(measured_maps(self._prepared, images, *settings), self._unit)

    def measured(
        self, groups: Sequence[dict[str, InfluenceMap]], theories: Mapping[str, Any] | None = None
    ) -> tuple[LayerMeasurement, ...]:
        """Return what the maps of all groups of images say, and where it is asked for what theory expects."""
        return tuple(
            layer_measurement(name, field, [group[name] for group in groups], (theories or {}).get(name))
            for name, field in self.fields.items()
        )


def _outside_theory(network: nn.Module, aggregation: Any, mode: ModeName, of_channels: Any) -> str:
    """Return why expected maps are about something else than what is measured; empty where they are not."""
    if aggregation != "random_sign":
        return f"it is about random signs of output channels, not aggregation={shown(aggregation)}"
    if mode == Mode.as_is and any(module.training for module in network.modules()):
        return "it is about networks in eval mode"
    return "it is about the mean over all input channels" if of_channels is not None else ""


def _noise(
    network: nn.Module, input_size: Any, channels: int | None, samples: int, seed: int, call: Runner | None
) -> NoiseImages:
    """Return noise as the network takes it, a batch for each group."""
    if input_size is None:
        raise InvalidInput("input_size is needed where no images are given: pixels, one number for a square")
    size = image_size(input_size)
    if channels is None:
        channels = likely_channels(run_by(network, call), size)[0]
    require_whole(channels=channels)
    return NoiseImages("normal", (channels, *size), samples, seed, -(-samples // GROUPS))


def _opened(images: Any, input_size: Any) -> tuple[Tensor, Iterator[Any]]:
    """Return the first batch of images, and all batches: of a tensor one for each group."""
    if isinstance(images, Tensor) or not isinstance(images, Iterable):
        require_images(images)
        images = images.split(-(-len(images) // GROUPS))
    batches = through(images)
    first = next(batches, None)
    if first is None:
        raise InvalidInput("images: there are none")
    of_first = _images_of(first)
    require_values(images=of_first)
    if not len(of_first):
        raise InvalidInput("images: the first batch has none")
    shape = of_first.shape
    if input_size is not None and image_size(input_size) != tuple(shape[2:]):
        raise InvalidInput(f"input_size={shown(input_size)}: the images have {list(shape[2:])} pixels; leave it out")
    return of_first, chain([first], batches)


def _images_of(batch: Any) -> Tensor:
    """Return the images of a batch, which may have labels behind them."""
    images: Any = batch[0] if isinstance(batch, tuple | list) and batch else batch
    require_images(images)
    return images


def _with_places(batches: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    """Yield each batch with the index of its first image, from which its signs are drawn."""
    first = 0
    for batch in batches:
        yield first, batch
        first += len(_images_of(batch))


def _in_groups(maps: Iterable[dict[str, InfluenceMap]]) -> list[dict[str, InfluenceMap]]:
    """Merge the maps of batches, in turn, into so many groups."""
    groups: list[dict[str, InfluenceMap]] = []
    for number, of_layers in enumerate(maps):
        if number < GROUPS:
            groups.append(of_layers)
        else:
            group = groups[number % GROUPS]
            groups[number % GROUPS] = {name: group[name].merge(imap) for name, imap in of_layers.items()}
    return groups


def _names(
    network: nn.Module, layers: Any, size: Unit, channels: int, mode: ModeName, call: Runner | None
) -> list[str] | None:
    """Return the names of the layers to measure; None is the network's own output."""
    if layers is None:
        return default_layers(network, size, channels, mode, call) or None
    return [name for name in (layer_name(network, layer) for layer in listed(layers, "layers")) if name is not None]


def _named(answer: Any, unit: Any) -> dict[str, Any]:
    """Return the library's answer for each unit, by its layer's name, with the unit where there are several."""
    of_layers = answer if isinstance(answer, dict) else {OUTPUT: answer}
    if not isinstance(unit, list):
        return of_layers
    return {
        f"{name}@{'middle' if place is None else ','.join(map(str, place))}": value
        for name, values in of_layers.items()
        for place, value in zip(unit, values, strict=True)
    }


@contextmanager
def _moved(network: nn.Module, device: str | torch.device | None) -> Iterator[None]:
    """Have the network on a device inside the block, and where it was after it."""
    if isinstance(device, torch.device) and device.type == "meta":
        raise InvalidInput("device=meta holds no values to measure; allowed are devices that compute")
    places = {tensor.device for tensor in chain(network.parameters(), network.buffers())}
    if device is None or places in (set(), {named_device(device)}):
        yield
        return
    if len(places) > 1:
        raise InvalidInput(f"device={shown(device)}: the network lies on several devices; leave it out")
    network.to(named_device(device))
    try:
        yield
    finally:
        for place in places:
            network.to(place)
