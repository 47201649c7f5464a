"""How nonlinearities act in the backward pass of expected squares, and what is known to be wrong with that."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from erf.errors import InvalidInput
from erf.theory.backward_links import Choice, Gate
from erf.theory.backward_squares import Path


class Gates(StrEnum):
    """By their expectation over symmetric inputs, or as on images; "auto" is by expectation where that is exact."""

    auto = "auto"
    half = "half"
    measured = "measured"


GatesName = Gates | Literal["auto", "half", "measured"]

# What is said to be found is the table of docs/theory.md.
OF_IMAGES = (
    "nonlinearities act as on {images}, with this network's own weights, as if they did not depend on these; in the "
    "mean over draws of the weights sigma was found up to 4 % off (see Theory in the docs)"
)
NOT_SYMMETRIC = (
    "{operator} is taken to pass half of its inputs, which are not symmetric; behind additions sigma was found 3 % too "
    "large by that, and the sum 3 times too small (see Theory in the docs)"
)
BELOW_A_FILTER = (
    "{operator} lies below a fixed filter, which correlates gradients at neighboring pixels, and its gates depend on "
    "the weights below it: sigma was found up to 2 % too large for images of few channels (see Theory in the docs)"
)
OF_CHOICES = (
    "{operator} is taken to choose each position equally often, whatever the weights: after two the sum was found 2.3 "
    "times too small, and sigma right in a stack, but 14 % too small in a U-Net (see Theory in the docs)"
)
AT_A_DISTANCE = (
    "{operator} is taken to act independently at pixels that a fixed filter joins, which is not so: sigma was "
    "found 1 % too large, in a U-Net with max pools 37 % too small (see Theory in the docs)"
)


def are_measured(path: Path, gates: Gates) -> bool:
    """Return whether nonlinearities on the way act as on images.

    Raises:
        InvalidInput: They shall not, and there is one without an expectation.
    """
    links = [link for _, link in path.links if isinstance(link, Gate | Choice)]
    without = [link for link in links if link.expected is None]
    if gates is Gates.half and without:
        raise InvalidInput(
            f"{without[0].operator} has no expectation over symmetric inputs, only slopes or "
            "choices on images, which expected_map takes with gates='measured'"
        )
    if gates is Gates.auto:
        return bool(without or _choices(path) or _blind(path) or _at_a_distance(path))
    return gates is Gates.measured and bool(links)


def findings(path: Path, measured: bool, images: str = "") -> tuple[str, ...]:
    """Return a sentence for each approximation, with the first operator that it is about."""
    about: list[tuple[str, Sequence[Gate | Choice]]] = []
    about += [(BELOW_A_FILTER, [gate for y, gate in _gates(path) if y in path.joined])]
    if not measured:
        about += [(NOT_SYMMETRIC, _blind(path)), (AT_A_DISTANCE, _at_a_distance(path)), (OF_CHOICES, _choices(path))]
    sentences = [sentence.format(operator=gates[0].operator) for sentence, gates in about if gates]
    return (*([OF_IMAGES.format(images=images)] if measured else []), *sentences)


def _gates(path: Path) -> list[tuple[int, Gate]]:
    return [(y, link) for y, link in path.links if isinstance(link, Gate)]


def _choices(path: Path) -> list[Choice]:
    return [link for _, link in path.links if isinstance(link, Choice)]


def _blind(path: Path) -> list[Gate]:
    """Return the gates that are taken to see symmetric inputs, and do not."""
    return [gate for _, gate in _gates(path) if not gate.is_symmetric]


def _at_a_distance(path: Path) -> list[Gate]:
    """Return the gates at which the covariances of different positions matter."""
    return [gate for y, gate in _gates(path) if any(lag for each in path.lags[y] for lag in each)]
