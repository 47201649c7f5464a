"""Where a record comes from, and what a reader must be warned of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from experiments.harness.environment import ROOT, Environment


def warnings(environment: Environment) -> Iterator[str]:
    """Yield what sets a record apart from one of clean code and the pinned versions."""
    if environment.commit is None:
        yield "measured outside a checkout: the code is unknown"
    if environment.dirty:
        yield "measured with changes that were not committed (dirty tree)"
    if environment.earlier_commits:
        yield f"its parts were measured at several commits; the earlier: {', '.join(environment.earlier_commits)}"
    if environment.earlier_devices:
        yield f"its parts were measured on several devices; the earlier: {', '.join(environment.earlier_devices)}"
    for package, version in environment.versions.items():
        expected = _pinned().get(package)
        if expected and version != expected:
            yield f"measured with {package} {version or 'unknown'}; pinned is {expected}"


@cache
def _pinned() -> dict[str, str]:
    """Return the versions that constraints.txt names."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
