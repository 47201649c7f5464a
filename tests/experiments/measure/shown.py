"""What the figure shows of a record."""

import numpy as np

from erf.metrics.gaussian_fit import fit_gaussian
from tests.figures import Panel, Shown, box, ellipse, image, line, upright


def shown(result):
    config = result.config
    tool = config.compatibility if config.compatibility != "none" else None
    curves = len(config.input_size) == 1
    above, below = [], []
    for place, layer in enumerate(result.layers):
        ylabel = "" if place % 4 else "row (pixels)"
        low = not tool and place + 4 >= len(result.layers)
        if curves:
            above.append(_curve(result, layer, "" if place % 4 else "influence / peak", "sample" if low else ""))
        else:
            above.append(_map(result, layer, ylabel, "column (pixels)" if low else ""))
        if tool:
            pixels = [image(result.compatible_picture(layer))]
            ratio = dict(layer.area_ratios).get(0.99)
            title = f"{layer.name} by {tool}" + ("" if ratio is None else f"\nr(99 %) = {100 * ratio:.1f} %")
            below.append(Panel(pixels, title, "column (pixels)" if place + 4 >= len(result.layers) else "", ylabel))
    samples = max(layer.samples + layer.skipped for layer in result.layers)
    return Shown(
        [*above, *below],
        caption=[
            f"{config.network} ({config.source}), weights {config.weights}, {samples} x ",
            f"{config.statistic}, seed {config.seed}",
        ],
        colour_bars=[] if curves else [("influence / peak", 0, 1)],
    )


def _curve(result, layer, ylabel, xlabel):
    values = result.arrays[f"map/{layer.name}"].astype(np.float64)
    places = np.arange(len(values))
    marks = [line(places, values / values.max()), *(upright(end - 0.5) for end in layer.box[0])]
    _, fit = result.picture(layer)
    if fit is not None:
        fitted = fit.amplitude * np.exp(-0.5 * (places - fit.center[0]) ** 2 / fit.sigma[0] ** 2)
        marks.append(line(places, fitted / values.max()))
    return Panel(marks, _title(layer), xlabel, ylabel)


def _map(result, layer, ylabel, xlabel):
    values = result.arrays[f"map/{layer.name}"].astype(np.float64)
    values = values.reshape(-1, *values.shape[-2:]).sum(0)
    (top, bottom), (left, right) = layer.box[-2:]
    marks = [image(values / values.max()), box(left - 0.5, top - 0.5, right - left, bottom - top)]
    imap, fit = result.picture(layer)
    if fit is not None:
        marks.append(ellipse(fit_gaussian(imap)))
    return Panel(marks, _title(layer), xlabel, ylabel)


def _title(layer):
    sizes = ["inf" if size is None else f"{size:g}" for size in layer.trf_size]
    trf = sizes[0] if len(set(sizes)) == 1 else " x ".join(sizes)
    if None in layer.trf_size:
        (local,) = set(layer.local_size)
        trf += f" (local {local})"
    ratio = "-" if layer.ratio is None else f"{'≥ ' if any(layer.cut) else ''}{layer.ratio:.2f}"
    erf = "-" if layer.erf_size is None else f"{layer.erf_size:.1f}"
    erf += " ({:.1f} to {:.1f})".format(*layer.interval) if layer.interval else ""
    clipped = ", clipped" if any(layer.clipped) else ""
    return f"{layer.name}\nTRF {trf}{clipped}, ratio {ratio}\nERF {erf}"
