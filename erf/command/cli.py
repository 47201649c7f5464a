"""The command ``erf``: how far does a network see?  ``erf resnet50``, ``erf my_net.py:make --images folder``."""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import erf
from erf.errors import InvalidInput, exit_code

if TYPE_CHECKING:
    from torch import Tensor, nn

    from erf.data.noise import NoiseImages
    from erf.data.pictures import Pictures
    from erf.measurement.layer import LayerMeasurement
    from erf.measurement.measurement import Measurement

PATIENCE = 5  # seconds after which a terminal is told how far the measuring is
NETWORK = "a model of torchvision, timm:MODEL, or path/to/file.py:FACTORY, whose code is then run"
EPILOG = """\
commands:
  erf NETWORK           how far its layers see, measured
  erf fields NETWORK    the theoretical field of every layer
  erf halo NETWORK      what tiles of an image need at their borders
  erf compare A B       two networks, with the interval of the difference
  erf COMMAND --help    the options of each

examples:
  erf resnet50
  erf timm:convnext_tiny --layers stages.2 --input 512
  erf my_net.py:make --weights w.pt --images folder --save card.html
"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are those of erf."""

    def error(self, message: str) -> NoReturn:
        """Raise what the command shows in one line."""
        raise InvalidInput(f"{message}; {self.prog} --help shows what is allowed")


@dataclass(frozen=True)
class Command:
    """What a word on the command line does, and which options it takes."""

    run: Callable[[argparse.Namespace], str]
    about: str
    options: Callable[[argparse.ArgumentParser], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 1, with one line on stderr, for what the user can mend."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = words.pop(0) if words and words[0] in COMMANDS else ""
    return exit_code(lambda: print(_answer(name, words)), "erf")


def _answer(name: str, words: list[str]) -> str:
    command = COMMANDS.get(name, MEASURE)
    parser = Parser(
        f"erf {name}".strip(),
        description=command.about,
        epilog=None if name else EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"erf {erf.__version__}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    size = "pixels: 224 (a square), 480,640, or one axis: 2048,"
    parser.add_argument("--input", type=_sides, default=(224, 224), metavar="SIZE", help=size)
    parser.add_argument("--channels", type=int, help="of the images; left out, the network's")
    parser.add_argument(
        "--weights", type=_filled, default="none", help="none, DEFAULT (pretrained), or a file .pt, .safetensors"
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights, noise and random signs")
    command.options(parser)
    parser.set_defaults(command=shlex.join(["erf", *filter(None, [name]), *words]))
    return command.run(parser.parse_args(words))


def _sides(text: str) -> tuple[int, ...]:
    sides = [int(side) if side.isdecimal() else 0 for side in text.removesuffix(",").split(",")]
    if not min(sides):
        allowed = "whole numbers of pixels from 1: 224 (a square), 480,640, or 2048, for one axis"
        raise argparse.ArgumentTypeError(f"{text!r}: allowed are {allowed}")
    return tuple(sides * 2 if "," not in text else sides)


def _filled(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("it is empty; allowed is a value")
    return text


def _names(text: str) -> list[str]:
    return [_filled(name) for name in text.split(",")]


def _network_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", type=_filled, metavar="NETWORK", help=NETWORK)


def _layer_options(parser: argparse.ArgumentParser) -> None:
    _network_option(parser)
    parser.add_argument("--layer", type=_filled, help="name of a module; left out, the network's output")


def _image_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--layers", type=_names, metavar="A,B", help="names of modules; left out, one a resolution")
    parser.add_argument("--images", type=_filled, metavar="FOLDER", help="of pictures; left out, normal noise")
    parser.add_argument("--samples", type=int, default=10, help="number of images (10)")
    parser.add_argument("--statistic", default="mean_abs", help="mean_abs, rms or mean_square")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")


def _measure_options(parser: argparse.ArgumentParser) -> None:
    _network_option(parser)
    _image_options(parser)
    endings = "card.html (a page), fields.csv, maps.npz, figure.pdf, .png, .svg; may be given again"
    parser.add_argument("--save", type=Path, action="append", default=[], metavar="FILE", help=endings)
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")


def _compare_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", type=_filled, metavar="A", help=NETWORK)
    parser.add_argument("b", type=_filled, metavar="B", help="likewise")
    parser.add_argument("--weights-b", type=_filled, metavar="WEIGHTS", help="of B; left out, as of A")
    _image_options(parser)


def _network(name: str, weights: str, seed: int) -> nn.Module:
    """Return the network that the command line names; see :func:`erf.command.network_source.make_network`."""
    from erf.command.network_source import Source, make_network

    if ".py:" in name:
        return make_network(Source.file, name, weights, seed)
    source, colon, model = name.rpartition(":")
    if colon and source not in (Source.timm, Source.torchvision):
        raise InvalidInput(f"network={name!r}: allowed are MODEL, timm:MODEL and path/to/file.py:FACTORY")
    return make_network(Source(source or "torchvision"), model, weights, seed)


def _measured(options: argparse.Namespace, name: str, weights: str) -> Measurement:
    """Return what was measured of one network; images come in ten groups, from which the intervals are."""
    from erf.reachability.forward import likely_channels

    network = _network(name, weights, options.seed)
    channels = options.channels or likely_channels(network.eval(), options.input)[0]
    images, words = _images(options, channels)
    measurement = erf.measure(
        network, _with_progress(images), options.layers or _layers(options, name, network, channels),
        statistic=options.statistic, seed=options.seed, device=options.device,
    )  # fmt: skip
    example = measurement.setting.example if options.images else None  # noise is no picture to look at
    setting = replace(measurement.setting, network=name, images=words, command=options.command, example=example)
    return replace(measurement, setting=setting)


def _images(options: argparse.Namespace, channels: int) -> tuple[NoiseImages | Pictures, str]:
    """Return the images, a batch for each group, and what they are in words."""
    from erf.arguments import require_whole
    from erf.data.noise import NoiseImages
    from erf.data.pictures import Pictures
    from erf.measurement.measuring import GROUPS

    require_whole(samples=options.samples)
    size, batch_size = options.input, -(-options.samples // GROUPS)
    if options.images is None:
        noise = NoiseImages("normal", (channels, *size), options.samples, options.seed, batch_size)
        return noise, f"{options.samples} images of normal noise"
    if len(size) != 2:
        raise InvalidInput(f"--input {','.join(map(str, size))}: pictures have rows and columns")
    pictures = Pictures(options.images, size, channels, batch_size=batch_size, limit=options.samples)
    return pictures, f"{len(pictures.paths)} pictures of {options.images}"


def _layers(options: argparse.Namespace, name: str, network: nn.Module, channels: int) -> list[str]:
    from erf.measurement.default_layers import default_layers

    layers = default_layers(network, options.input, channels, "eval")
    if not layers:
        raise InvalidInput(f"{name}: no layer has rows and columns; --layers names one that is measured anyway")
    return layers


def _with_progress(batches: Iterable[Tensor]) -> Iterator[Tensor]:
    """Yield the batches; on a terminal, say how many are done once that takes long."""
    began, written = time.monotonic(), False
    for number, batch in enumerate(batches):
        if sys.stderr.isatty() and time.monotonic() - began > PATIENCE:
            print(f"\r{number} groups of images measured", end="", file=sys.stderr, flush=True)
            written = True
        yield batch
    if written:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _measure(options: argparse.Namespace) -> str:
    from erf.measurement.saving import require_savable

    for path in options.save:
        require_savable(path, options.overwrite)
    measurement = _measured(options, options.network, options.weights)
    for path in options.save:
        measurement.save(path, options.overwrite)
    if options.json:
        return _json({"setting": _words(measurement), "layers": [_plain(measurement[name]) for name in measurement]})
    return "\n".join([str(measurement), *(f"written: {path}" for path in options.save)])


def _words(measurement: Measurement) -> dict[str, Any]:
    """Return what was measured, on what and how, by name; the image that a card shows is none of it."""
    return asdict(replace(measurement.setting, example=None))


def _plain(layer: Any) -> dict[str, Any]:
    """Return a layer's numbers by name, per axis where they have axes."""
    names = ("name", "trf_size", "local_size", "erf_size", "interval", "raw_size", "ratio", "r50", "r95", "sigma")
    return {name: getattr(layer, name) for name in (*names, "notes")} | {"jump": layer.field.jump}


def _fields(options: argparse.Namespace) -> str:
    network = _network(options.network, options.weights, options.seed)
    field = erf.theoretical_receptive_field(network, options.input, options.layer, channels=options.channels)
    beyond = field.first_larger_than_input
    if options.json:
        first = None if beyond is None else beyond.name
        return _json({"layers": [asdict(layer) for layer in field.layers], "first_larger_than_input": first})
    said = "no layer's field exceeds" if beyond is None else f"{beyond.name or 'the output'} is the first that exceeds"
    return f"{field.table()}\n\n{said} the input, {' x '.join(map(str, options.input))} pixels"


def _halo(options: argparse.Namespace) -> str:
    from erf.reachability.layers import per_axis

    network = _network(options.network, options.weights, options.seed)
    needed = asdict(erf.halo(network, options.layer, channels=options.channels))
    if options.json:
        return _json(needed)
    return "\n".join(f"{name.replace('_', ' '):15}{per_axis(values)}" for name, values in needed.items())


def _compare(options: argparse.Namespace) -> str:
    """Compare the layers that both have, or else the deepest ones."""
    second = options.weights if options.weights_b is None else options.weights_b
    a, b = _measured(options, options.a, options.weights), _measured(options, options.b, second)
    pairs = [(name, name) for name in a if name in set(b)] or [(list(a)[-1], list(b)[-1])]
    rows = [_difference(a[one], b[other]) for one, other in pairs]
    if options.json:
        return _json({"a": _words(a), "b": _words(b), "differences": rows})
    heading = f"ERF size in pixels, A {a.setting.network}, B {b.setting.network}; on {a.setting.images}; 95 % intervals"
    return "\n".join([textwrap.fill(heading, break_long_words=False), "", *map(_difference_text, rows)])


def _difference(a: LayerMeasurement, b: LayerMeasurement) -> dict[str, Any]:
    """Return B - A and its interval, which is a paired one: both have seen the same images."""
    sizes = {"layer_a": a.name, "layer_b": b.name, "size_a": a.erf_size, "size_b": b.erf_size}
    if a.size is None or b.size is None:
        return sizes | {"difference": None, "interval": None}
    difference = b.size.minus(a.size)
    return sizes | {"difference": difference.value, "interval": difference.interval}


def _difference_text(row: dict[str, Any]) -> str:
    from erf.card.numbers import axes_text, size_text

    names = row["layer_a"] if row["layer_a"] == row["layer_b"] else f"{row['layer_a']} and {row['layer_b']}"
    a, b = (axes_text([row[key]], 1) for key in ("size_a", "size_b"))
    return f"{names}: A {a}, B {b}, B - A {size_text(row['difference'], row['interval'])}"


def _json(value: Any) -> str:
    return json.dumps(_finite(value), indent=2)


def _finite(value: Any) -> Any:
    """Return the value with an infinite number as the text "inf": JSON has none."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


MEASURE = Command(_measure, "Measure how far the layers of a network see.", _measure_options)
COMMANDS = {
    "fields": Command(_fields, "Print the theoretical receptive field of every layer.", _layer_options),
    "halo": Command(_halo, "Print what tiles of an image need at their borders.", _layer_options),
    "compare": Command(_compare, "Compare the ERF sizes of two networks.", _compare_options),
}
