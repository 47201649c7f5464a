"""What the figure shows of a record."""

import numpy as np

from experiments.architectures.families import family_of
from experiments.architectures.figure import BEYOND, COLOURS, message
from tests.figures import Panel, Shown, box, image, level, line, points


def shown(result):
    config = result.config
    finite = [stage.trf_size for stage in result.stages if stage.trf_size]
    edge = max(finite, default=config.input_size)
    infinite = [n for n in config.networks if any(s.trf_size is None for s in result.of_network(n))]
    by_trf, by_depth, maps = [], [], []
    for network in config.networks:
        stages = result.of_network(network)
        place = infinite.index(network) / len(infinite) if network in infinite else 0
        by_trf += _network(stages, [s.trf_size or edge * BEYOND ** (1 + place) for s in stages])
        by_depth += _network(stages, [s.depth for s in stages])
        pixels = result.arrays[f"map/{network}"].astype(np.float32)
        title = network if len(network) <= 14 else network.replace("_", "_\n", 1)
        last = stages[-1].layer.split(".")[-1]
        layer = stages[-1].layer if last.isdigit() else last
        maps.append(Panel([image(pixels)], f"{title}\n{layer}"))
    smallest = min(finite, default=1)
    by_trf += [line([smallest, edge], [smallest, edge], "ERF = TRF", "black"), level(config.input_size)]
    if infinite:
        by_trf.append(box(edge * BEYOND**0.8, 0, edge * (BEYOND**2.2 - BEYOND**0.8), 1))
    logs = ("log", "log")
    return Shown(
        [
            Panel(by_trf, "", "TRF size (pixels)", "ERF size (pixels)", logs),
            Panel([*by_depth, level(config.input_size)], "", "depth (convolutions and linear layers)", "", logs),
            *maps,
        ],
        message(result),
        [
            f"{config.input_size} x {config.input_size} pixels of {config.noise} noise",
            f"{config.draws} draws of weights and {config.samples} images each",
            f"batch norm {config.batch_norm}, {config.statistic}, seed {config.seed}",
        ],
        colour_bars=[("influence / peak", 0, 1)],
        legend=[*config.networks, "ERF = TRF"],
    )


def _network(stages, x):
    """Return the marks of one network's stages; what has no size has no place."""
    colour = COLOURS[family_of(stages[0].network)]
    sizes = [np.nan if s.size is None else s.size for s in stages]
    sized = [(at, s.interval or (s.size, s.size)) for at, s in zip(x, stages, strict=True) if s.size is not None]
    ends = [interval for _, interval in sized]
    yield points([at for at, _ in sized], np.mean(ends, 1), ends, "", colour)
    yield line(x, sizes, "", colour)
    for at, size, stage in zip(x, sizes, stages, strict=True):
        yield line([at], [size], hollow=stage.cut)
    yield line([], [], stages[0].network, colour)
