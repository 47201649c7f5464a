"""Settings as they are typed: ``key=value``, and ``key=value,value`` where a sweep takes several."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

Sweep = Mapping[str, Sequence[Any]]  # the values of each setting that is swept, in all combinations


def value_text(value: Any) -> str:
    """Return ``value`` as it is typed on the command line."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(map(value_text, value))}]"
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)


def quoted(key: str, text: str) -> str:
    """Return the override that gives ``key`` just this text, whatever characters are in it."""
    escaped = re.sub(r'(\\*)("|$)', lambda match: match[1] * 2 + match[2].replace('"', '\\"'), text)
    return f'{key}="{escaped}"'


def key_of(override: str) -> str:
    """Return the setting or group that ``key=value``, ``+key=value`` or ``~key`` is about."""
    return override.partition("=")[0].lstrip("+~")


def given_values(overrides: Sequence[str]) -> dict[str, float | str]:
    """Return what each key is given, numbers as such and all else as it is typed."""
    return {key_of(override): _number_or_text(override.partition("=")[2]) for override in overrides}


def _number_or_text(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value


def sweep_overrides(run: str, sweep: Sweep) -> tuple[str, ...]:
    """Return the overrides of run.py -m that sweep the run called ``run``."""
    return (f"experiment={run}", *(f"{key}={_swept_text(values)}" for key, values in sweep.items()))


def _swept_text(values: Sequence[Any]) -> str:
    if isinstance(values, range):
        return f"range({values.start},{values.stop})"
    return ",".join(map(value_text, values))
