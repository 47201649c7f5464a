"""The command ``erf``: how far does a network see?  ``erf resnet50``, ``erf my_net.py:make --images folder``."""

from __future__ import annotations

import argparse
import difflib
import json
import math
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import erf
from erf.command import parsing
from erf.command.as_typed import as_typed
from erf.errors import InvalidInput, exit_code

if TYPE_CHECKING:
    from erf.measurement.measurement import Measurement

NETWORK = "a model of torchvision, timm:MODEL, or path/to/file.py:FACTORY, whose code is then run"
UNIT = "row and column in each layer's grid; left out, the middle; may be given again"
AGGREGATION = "of output channels: random_sign, sum, or the index of one"
EPILOG = """\
commands:
  erf NETWORK           how far its layers see, measured
  erf fields NETWORK    the theoretical field of every layer
  erf halo NETWORK      what tiles of an image need at their borders
  erf compare A B ...   networks, with the interval of the difference to A
  erf COMMAND --help    the options of each

examples:
  erf resnet50
  erf timm:convnext_tiny --layers stages.2 --input 512
  erf my_net.py:make --weights w.pt --images folder --save card.html
"""


class Parser(parsing.OneLineParser):
    """A parser that knows what is near to a word that is not allowed."""

    def parsed(self, typed: Sequence[str]) -> argparse.Namespace:
        """Return what the words say; one that is not allowed is answered with the nearest that is."""
        options, unknown = self.parse_known_args(typed)
        if unknown:
            known = [*re.findall(r"--[\w-]+", self.format_usage()), *COMMANDS]
            near = [name for word in (*unknown, typed[0]) for name in difflib.get_close_matches(word, known, n=1)]
            self.error(f"{' '.join(unknown)} is not allowed{' (nearest: ' + ', '.join(near) + ')' if near else ''}")
        return options


@dataclass(frozen=True)
class Command:
    """What a word on the command line does, and which options it takes."""

    run: Callable[[argparse.Namespace], str]
    about: str
    options: Callable[[argparse.ArgumentParser], None]
    takes_input: bool = True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 1, with one line on stderr, for what the user can mend."""
    typed = list(sys.argv[1:] if arguments is None else arguments)
    name = typed.pop(0) if typed and typed[0] in COMMANDS else ""
    return exit_code(lambda: print(_answer(name, typed)), "erf")


def _answer(name: str, typed: list[str]) -> str:
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
    if command.takes_input:
        size = "pixels: 224 (a square), 480,640, or one axis: 2048,"
        parser.add_argument("--input", type=parsing.sides, default=(224, 224), metavar="SIZE", help=size)
    parser.add_argument("--channels", type=parsing.count, help="of the images; left out, the network's")
    parser.add_argument(
        "--weights",
        type=parsing.filled_text,
        default="none",
        help="none, DEFAULT (pretrained), or a file .pt, .safetensors",
    )
    parser.add_argument("--seed", type=parsing.whole_number, default=0, help="of weights, noise and random signs")
    command.options(parser)
    parser.set_defaults(command=shlex.join(["erf", *filter(None, [name]), *typed]))
    options = parser.parsed(typed)
    of_input = {"input_size": "--input"} if command.takes_input else {}
    with as_typed(parser.format_usage(), network="network", folder="--images", **of_input):
        return command.run(options)


def _mode_option(parser: argparse.ArgumentParser) -> None:
    about = "eval, or as_is: the modes that the network is in"
    parser.add_argument("--mode", choices=("eval", "as_is"), default="eval", metavar="MODE", help=about)


def _network_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", type=parsing.filled_text, metavar="NETWORK", help=NETWORK)


def _layer_options(parser: argparse.ArgumentParser) -> None:
    _network_option(parser)
    _mode_option(parser)
    parser.add_argument("--layer", type=parsing.filled_text, help="name of a module; left out, the network's output")


def _image_options(parser: argparse.ArgumentParser) -> None:
    _mode_option(parser)
    parser.add_argument(
        "--layers", type=parsing.names, metavar="A,B", help="names of modules; left out, one a resolution"
    )
    parser.add_argument(
        "--images", type=parsing.filled_text, metavar="FOLDER", help="of pictures; left out, normal noise"
    )
    parser.add_argument(
        "--mean", type=parsing.per_channel, metavar="A,B", help="of each channel of pictures; ImageNet's (colour)"
    )
    parser.add_argument("--std", type=parsing.per_channel, metavar="A,B", help="likewise")
    parser.add_argument("--samples", type=parsing.count, default=10, help="number of images (10)")
    parser.add_argument("--statistic", default="mean_abs", help="mean_abs, rms or mean_square")
    parser.add_argument("--unit", type=parsing.unit, action="append", metavar="I,J", help=UNIT)
    parser.add_argument("--aggregation", type=parsing.aggregation, default="random_sign", help=AGGREGATION)
    parser.add_argument("--precision", default="as_is", help="as_is (the network's own), or bfloat16: says its error")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")


def _measure_options(parser: argparse.ArgumentParser) -> None:
    _network_option(parser)
    _image_options(parser)
    endings = "card.html (a page), fields.csv, maps.npz, figure.pdf, .png, .svg; may be given again"
    parser.add_argument("--save", type=parsing.filled_path, action="append", default=[], metavar="FILE", help=endings)
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")


def _compare_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", type=parsing.filled_text, metavar="A", help=NETWORK)
    parser.add_argument("b", type=parsing.filled_text, metavar="B", nargs="+", help="likewise, one or more")
    parser.add_argument(
        "--weights-b", type=parsing.filled_text, metavar="WEIGHTS", help="of all but A; left out, as of A"
    )
    parser.add_argument("--sort", metavar="COLUMN", help="by erf_size, ratio, r95, difference, ...: names as in --json")
    _image_options(parser)


def _measure(options: argparse.Namespace) -> str:
    from erf.command.measuring import measured
    from erf.measurement.saving import require_savable

    for path in options.save:
        require_savable(path, options.overwrite, "--save ")
    measurement = measured(options, options.network, options.weights)
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
    from erf.command.measuring import network_of

    network = network_of(options.network, options.weights, options.seed)
    settings: Any = {"channels": options.channels, "mode": options.mode}
    field = erf.theoretical_receptive_field(network, options.input, options.layer, **settings)
    beyond = field.first_larger_than_input
    if options.json:
        first = None if beyond is None else beyond.name
        return _json({"layers": [asdict(layer) for layer in field.layers], "first_larger_than_input": first})
    said = "no layer's field exceeds" if beyond is None else f"{beyond.name or 'the output'} is the first that exceeds"
    return f"{field.table()}\n\n{said} the input, {' x '.join(map(str, options.input))} pixels"


def _halo(options: argparse.Namespace) -> str:
    from erf.command.measuring import network_of
    from erf.reachability.layers import per_axis

    network = network_of(options.network, options.weights, options.seed)
    needed = asdict(erf.halo(network, options.layer, channels=options.channels, mode=options.mode))
    if options.json:
        return _json(needed)
    return "\n".join(f"{name.replace('_', ' '):15}{per_axis(values)}" for name, values in needed.items())


def _compare(options: argparse.Namespace) -> str:
    from erf.command.comparing import ORDERS, comparison_text, rows_of

    if options.sort not in (None, *ORDERS):
        raise InvalidInput(f"--sort {options.sort}: allowed are {', '.join(ORDERS)}")
    measurements = list(_all_measured(options))
    if options.json:
        rows = [row.plain() for row in rows_of(measurements, options.sort)]
        return _json({"networks": [_words(measurement) for measurement in measurements], "rows": rows})
    return comparison_text(measurements, options.sort)


def _all_measured(options: argparse.Namespace) -> Iterator[Measurement]:
    """Yield what was measured of each network; one that is called with other weights says with which."""
    from erf.command.measuring import measured, source_of
    from erf.command.network_source import require_network

    other = options.weights if options.weights_b is None else options.weights_b
    typed = {} if options.weights_b is None else {"weights": "--weights-b"}
    networks = [(options.a, options.weights, {}), *((name, other, typed) for name in options.b)]
    for name, weights, as_other in networks:  # all, before the first is measured
        with as_typed(**as_other):
            require_network(*source_of(name), weights)
    for name, weights, as_other in networks:
        with as_typed(**as_other):
            measurement = measured(options, name, weights)
        title = name if options.weights_b is None else f"{name} ({weights})"
        yield replace(measurement, setting=replace(measurement.setting, network=title))


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
    "halo": Command(_halo, "Print what tiles of an image need at their borders.", _layer_options, takes_input=False),
    "compare": Command(_compare, "Compare the ERF sizes of networks on the same images.", _compare_options),
}
