"""The benchmark's record as a table of the README."""

from __future__ import annotations

from pathlib import Path

import msgspec

from erf import InvalidInput
from scripts.benchmarks.case import Case, Report


def read(path: Path) -> Report:
    """Return the record that ``scripts/benchmark.py --output`` wrote.

    Raises:
        InvalidInput: It is missing or damaged.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except (OSError, msgspec.MsgspecError) as error:
        raise InvalidInput(f"{path}: {error}; scripts/benchmark.py --output writes it") from error


def table(report: Report) -> str:
    """Return one row for each case, and the machine."""
    rows = ["| case | ours | alternative | ratio (range) | of the limit |", "|---|---|---|---|---|"]
    rows += [f"| {' | '.join((case.name, *_cells(case)))} |" for case in report.cases]
    environment = report.environment
    versions = ", ".join(f"{name} {environment.versions[name]}" for name in ("python", "torch"))
    repetitions = max(case.repetitions for case in report.cases)
    machine = f"{environment.device}, {environment.threads} thread, {versions}, {environment.started[:10]}"
    return "\n".join([*rows, "", f"{machine}; medians of {repetitions} turns; range: of one turn's ratio."])


def _cells(case: Case) -> tuple[str, str, str, str]:
    theirs = "-" if case.theirs_seconds is None else _seconds(case.theirs_seconds)
    ratio = "-"
    if case.ratio is not None and case.ratio_range is not None:
        ratio = f"**{case.ratio:.3g}** ({case.ratio_range[0]:.3g} to {case.ratio_range[1]:.3g})"
    limit = "-" if case.limit_ratio is None else f"{case.limit_ratio:.0%}"
    return _seconds(case.ours_seconds), theirs, ratio, limit


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"
