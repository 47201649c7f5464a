"""What the figure shows of a record."""

import numpy as np

from experiments.sparse_connections.experiment import Layout
from experiments.sparse_connections.figure import COLOURS, message
from tests.figures import Panel, Shown, image, line, points

YLABELS = {
    "sigma": "σ of the map (pixels)",
    "size": "ERF size (pixels)",
    "distance": "distance to the normal",
}


def shown(result):
    config = result.config
    pictures = [(f"map/{layout}", _name(config, layout, ",\n")) for layout in config.layouts]
    maps = []
    for key, title in (*pictures, ("network", "scattered,\none network (exact)")):
        half = len(result.arrays[key]) / 2
        marks = [image(result.arrays[key], (-half, half, half, -half))]
        ylabel = "" if maps else "row (pixels)"
        maps.append(Panel(marks, title, "column (pixels)", ylabel))
    return Shown(
        [*maps, *(_quantity(result, name) for name in YLABELS)],
        message(result),
        [
            f"{config.kernel_size**2} connections of each unit",
            f"{config.channels} channels, {config.statistic}, {config.runs} runs",
            f"seed {config.seed}",
            f"Maps: depth {config.depths[-1]}",
            f"of {config.networks} single networks",
        ],
        colour_bars=[("influence / peak", 0, 1)],
        legend=["scattered, single networks (95 %)", *(_name(config, layout, ", ") for layout in config.layouts)],
    )


def _name(config, layout, comma):
    side = config.kernel_size if layout is Layout.adjacent else config.area
    dilation = f", dilation {config.dilation}" if layout is Layout.dilated else ""
    return f"{layout}{comma}{side} x {side}{dilation}"


def _quantity(result, name):
    marks = []
    for networks in result.networks if name != "size" else ():
        ends = np.quantile(getattr(networks, name), (0.025, 0.975))
        label = "" if marks else "scattered, single networks (95 %)"
        marks.append(line([networks.depth] * 2, ends, label, "0.7"))
    for layout in result.config.layouts:
        own, colour = result.of_layout(layout), COLOURS[layout]
        depths, values = [p.depth for p in own], [getattr(p, name) for p in own]
        ends = [getattr(p, f"{name}_interval") for p in own]
        marks.append(points(depths, values, ends, _name(result.config, layout, ", "), colour))
        marks.append(line(depths, [getattr(p, f"predicted_{name}") for p in own], "", colour))
    return Panel(
        marks, "", "depth (convolutions)", YLABELS[name], ("log", "log"),
        {depth: str(depth) for depth in result.config.depths},
    )  # fmt: skip
