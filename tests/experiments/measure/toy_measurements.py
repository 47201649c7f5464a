"""Measurements of toy networks, and the command line of one."""

import io

from rich.console import Console

from erf.command.network_source import Source
from experiments.measure.config import Config
from experiments.measure.experiment import run, summary
from tests.experiments import toy_networks
from tests.experiments.list_logbook import ListLogbook

FILE = toy_networks.__file__
LAYERS = ["7", "10"]


def config(function="make", **settings):
    return Config(
        **{"source": Source.file, "network": f"{FILE}:{function}", "layers": LAYERS, "input_size": 24} | settings
    )


RESULTS = {}


def measured(function="make", **settings):
    """Return a result that is only looked at; the same one for the same settings."""
    key = (function, repr(sorted(settings.items())))
    if key not in RESULTS:
        RESULTS[key] = run(config(function, **settings), ListLogbook())
    return RESULTS[key]


def printed(result):
    out = io.StringIO()
    Console(file=out, width=300).print(summary(result))
    return out.getvalue()


MEASURE = "experiment=measure"
OWN = [MEASURE, "source=file", "input_size=24", "samples=2"]


def own(function, layers="[7,10]"):
    return [*OWN, f"network={FILE}:{function}", f"layers={layers}"]
