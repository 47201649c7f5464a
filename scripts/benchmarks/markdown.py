"""Records of measured speed as Markdown: the benchmark's tables, in short and in full, and how cost grows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TypeVar

import msgspec

from erf import InvalidInput
from experiments.harness.environment import Environment
from scripts.benchmarks.case import Case, Report
from scripts.benchmarks.cost_model import Constants, Study
from scripts.benchmarks.growth import Scaling, Side
from scripts.benchmarks.one_image import NAME
from scripts.benchmarks.resnet50 import ALTERNATIVE_ALONE

R = TypeVar("R")

GPUS = 8  # that share a study


def read(path: Path, kind: type[R], script: str) -> R:
    """Return the record that a measuring script writes.

    Raises:
        InvalidInput: It is missing or damaged.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError) as error:
        raise InvalidInput(f"{path}: {error}; scripts/{script} writes it") from error


def short_table(report: Report) -> str:
    """Return four cases: the smallest ratio to an alternative, the largest, and two at equal distances between.

    Those of one image are told by their median over layers, and its range.
    """
    several = [case for case in report.cases if not NAME.match(case.name)]
    compared = [case for case in several if case.ratio and not case.name.startswith(ALTERNATIVE_ALONE)]
    by_ratio = sorted(compared, key=lambda case: case.ratio or 0)
    between = {round(step * (len(by_ratio) - 1) / 3) for step in range(4)}
    rows = ["| case | times as fast as the alternative |", "|---|---|"]
    rows += [f"| {by_ratio[at].name} | {_ratio(by_ratio[at])} |" for at in sorted(between)]
    by_call: dict[str, list[float]] = {}
    for case in report.cases:
        if name := NAME.match(case.name):
            by_call.setdefault(name["call"], []).append(case.ratio or 0)
    for call, ratios in by_call.items():
        name = f"one image, {call}, against autograd.grad, {len(ratios)} layers"
        rows.append(f"| {name} | {_with_range(median(ratios), min(ratios), max(ratios))} |")
    return "\n".join(rows)


def table(report: Report) -> str:
    """Return one row for each case, ratios alone of those of one image, and the machine."""
    rows = ["| case | ours | alternative | ratio (range) | of the limit |", "|---|---|---|---|---|"]
    rows += [f"| {' | '.join((case.name, *_cells(case)))} |" for case in report.cases if not NAME.match(case.name)]
    rows += _one_image(report.cases)
    repetitions = " or ".join(map(str, sorted({case.repetitions for case in report.cases})))
    turns = f"medians of {repetitions} turns; range: of one turn's ratio."
    return "\n".join([*rows, "", f"{_machine(report.environment)}; {turns}"])


def _one_image(cases: Sequence[Case]) -> list[str]:
    """Return a table of the cases of one image: a layer's, by the size of the image and the call."""
    ratios: dict[str, dict[str, str]] = {}
    for case in cases:
        if name := NAME.match(case.name):
            ratios.setdefault(name["layer"], {})[name["call"]] = _ratio(case)
    calls = list(dict.fromkeys(call for each in ratios.values() for call in each))
    rows = [f"| {' | '.join((layer, *(each.get(call, '-') for call in calls)))} |" for layer, each in ratios.items()]
    header = f"| one image, times as fast as autograd.grad | {' | '.join(calls)} |"
    return ["", header, "|---" * (1 + len(calls)) + "|", *rows] if rows else []


def growth(scaling: Scaling, on_gpu: Study | None) -> str:
    """Return the exponents of each curve, the predictions beside what was measured, and what a study would take."""
    rows = ["| | over | time: ours | plain | memory: ours | plain |", "|---|---|---|---|---|---|"]
    for curve in scaling.curves:
        sides = [*map(time_text, (curve.ours, curve.theirs)), *map(memory_text, (curve.ours, curve.theirs))]
        cells = (curve.name, f"{curve.quantity} {curve.values[0]} to {curve.values[-1]}", *sides)
        rows.append(f"| {' | '.join(cells)} |")
    model = ["| predicted | by the model | measured | error |", "|---|---|---|---|"]
    for prediction in scaling.predictions:
        seconds = map(_seconds, (prediction.predicted_seconds, prediction.measured_seconds))
        model.append(f"| {' | '.join((prediction.name, *seconds, f'{prediction.error:+.0%}'))} |")
    sentences = constants_text(scaling.constants), study_text(scaling.study, on_gpu), _machine(scaling.environment)
    return "\n".join([*rows, "", *model, *(f"\n{sentence}." for sentence in sentences)])


def time_text(side: Side) -> str:
    """Return the exponent of time, and in brackets the one that is expected."""
    return _exponent_text(side.time_exponent, side.expected_time)


def memory_text(side: Side) -> str:
    """Return the exponent of memory, and in brackets the one that is expected."""
    return _exponent_text(side.memory_exponent, side.expected_memory)


def _exponent_text(exponent: float | None, expected: float) -> str:
    return "-" if exponent is None else f"{exponent:.2f} ({expected:g})"


def constants_text(constants: Constants) -> str:
    """Return the constants of the model, by the letters of its formulas."""
    stack, network = constants.stack_rate / 1e9, constants.network_rate / 1e9
    return (
        f"Stacks: a = {1e6 * constants.stack_layer_seconds:.0f} µs, r = {stack:.0f} GFLOP/s; "
        f"networks: b = {_seconds(constants.network_seconds)}, R = {network:.0f} GFLOP/s"
    )


def study_text(study: Study, on_gpu: Study | None) -> str:
    """Return what a large study would take by the model, also on GPUs where one was measured."""
    gpus = "GPUs not measured"
    if on_gpu:
        gpus = f"{on_gpu.hours:.2g} h on one GPU, {on_gpu.hours / GPUS:.2g} h on {GPUS}"
    return f"{study.networks} networks, {study.images} images, {study.name}: {study.hours:.0f} h on this CPU, {gpus}"


def _machine(environment: Environment) -> str:
    versions = ", ".join(f"{name} {environment.versions[name]}" for name in ("python", "torch"))
    return f"{environment.device}, {environment.threads} thread, {versions}, {environment.started[:10]}"


def _cells(case: Case) -> tuple[str, str, str, str]:
    theirs = "-" if case.theirs_seconds is None else _seconds(case.theirs_seconds)
    limit = "-" if case.limit_ratio is None else f"{case.limit_ratio:.0%}"
    return _seconds(case.ours_seconds), theirs, _ratio(case), limit


def _ratio(case: Case) -> str:
    if case.ratio is None or case.ratio_range is None:
        return "-"
    return _with_range(case.ratio, *case.ratio_range)


def _with_range(value: float, low: float, high: float) -> str:
    value_text, *ends = map(_number, (value, low, high))
    return f"**{value_text}** ({' to '.join(ends)})"


def _seconds(value: float) -> str:
    return f"{_number(value)} s" if value >= 1 else f"{1000 * value:.3g} ms"


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
