"""How nonlinearities act in the backward pass of expected squares, and what is known to be wrong with that."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from erf.errors import InvalidInput
from erf.theory.backward_links import Choice, Gate
from erf.theory.backward_squares import Path
from erf.theory.lagged_covariance import Lags


class Gates(StrEnum):
    """By their expectation over symmetric inputs, or as on images; "auto" is by expectation where that is exact."""

    auto = "auto"
    half = "half"
    measured = "measured"


GatesName = Gates | Literal["auto", "half", "measured"]

OF_IMAGES = (
    "nonlinearities act as on {images} with this network's own weights, as if they did not depend on these; sigma was "
    "found within 0.8 % of its mean over fresh weights behind additions (docs/theory.md)"
)
NOT_SYMMETRIC = (
    "{operator} is taken to pass half of its inputs, which are not symmetric; behind additions sigma was found 4.5 % "
    "too large by that (docs/theory.md)"
)
AT_A_DISTANCE = "{operator} is taken to act independently at pixels that a fixed filter joins, which is not so"


def are_measured(path: Path, gates: Gates) -> bool:
    """Return whether nonlinearities on the way act as on images.

    Raises:
        InvalidInput: They shall not, and there is one without an expectation.
    """
    links = [link for _, link, _ in path.links if isinstance(link, Gate | Choice)]
    without = [link for link in links if isinstance(link, Choice) or link.expected is None]
    if gates is Gates.half and without:
        raise InvalidInput(f"{without[0].operator} has no expectation over symmetric inputs: pass gates='measured'")
    if gates is Gates.auto:
        return bool(without or _approximations(path))
    return gates is Gates.measured and bool(links)


def findings(path: Path, measured: bool, images: str) -> tuple[str, ...]:
    """Return a sentence for each approximation."""
    return (OF_IMAGES.format(images=images),) if measured else tuple(_approximations(path))


def _approximations(path: Path) -> list[str]:
    """Return a sentence for each kind of approximation that the expectation of gates is, with the first of its kind."""
    gates = [(link, lags) for _, link, lags in path.links if isinstance(link, Gate)]
    blind = [NOT_SYMMETRIC.format(operator=gate.operator) for gate, _ in gates if not gate.is_symmetric]
    apart = [AT_A_DISTANCE.format(operator=gate.operator) for gate, lags in gates if _at_a_distance(lags)]
    return [*blind[:1], *apart[:1]]


def _at_a_distance(lags: Lags) -> bool:
    return any(lag != 0 for each in lags for lag in each)
