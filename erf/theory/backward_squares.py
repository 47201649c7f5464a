"""The backward pass of expected squares along a recorded forward pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from erf.errors import InvalidInput
from erf.reachability.request import Index, called
from erf.theory.backward_links import Arrangement, Choice, FixedFilter, Gate, Link
from erf.theory.lagged_covariance import LaggedCovariance, Lags
from erf.theory.tape import Node, Tape
from erf.theory.weight_links import DenseWeights, Weights

Origin = tuple[int, ...]  # of a gradient: what made it uncorrelated with others, then the part of a concatenation


@dataclass(frozen=True, eq=False)
class Path:
    """What lies between one layer and the image.

    Attributes:
        tape: The forward pass.
        output: The number of the layer's node.
        lags: The lags to keep at each node in between, by its number: those that fixed filters above can make and
            fixed filters below can bring back to 0.
        joined: The nodes at which gradients at different positions are correlated, by fixed filters above.
    """

    tape: Tape
    output: int
    lags: dict[int, Lags]
    joined: frozenset[int]

    def links_of(self, y: int) -> Iterator[tuple[int, Link]]:
        """Yield the links that lead on to the image, each with the number of the node that it leads to."""
        return ((x, link) for x, link in self.tape.nodes[y].sources if x in self.lags)

    @property
    def links(self) -> list[tuple[int, Link]]:
        """All links that lead on to the image, each with the number of the node of its output."""
        return [(y, link) for y in self.lags for _, link in self.links_of(y)]


def path_to(tape: Tape, layer: str | None) -> Path:
    """Return what lies between a layer and the image.

    Raises:
        InvalidInput: An operator has no rule, weights are used twice, gradients that are correlated meet, or there are
            no weights.
    """
    output = tape.outputs[layer]
    above = _above(tape, output)
    for y in sorted(above, reverse=True):
        if tape.nodes[y].problem:
            raise InvalidInput(f"{tape.nodes[y].operator}: {tape.nodes[y].problem}")
    between = [y for y in _below(tape) if y in above]
    if output not in between:
        raise InvalidInput(f"{called(layer)} passes no gradient on to the image")
    path = Path(tape, output, _kept_lags(tape, output, between), _joined(tape, between))
    _require_different_weights(path, layer)
    _require_no_meeting(path)
    for y, link in path.links:
        if y in path.joined and len(tape.nodes[y].shape) == 1 and isinstance(link, Arrangement):
            raise InvalidInput(f"{tape.nodes[y].operator}: no rule is known for rows and columns in a vector and back")
    return path


def squares_at_image(path: Path, index: Index, expected_gates: bool) -> Tensor:
    """Return E[g^2] at each pixel of each channel of the image ``[C, *S]``, summed over the unit's channels.

    Args:
        path: To the layer.
        index: Of the unit in the layer's output ``[N, ...]``.
        expected_gates: Whether gates act as they do over symmetric inputs, not as on the image of the forward pass.
    """
    nodes, zero = path.tape.nodes, ((0,),) * path.tape.axes
    seed = torch.zeros(1, *nodes[path.output].shape, dtype=torch.float64, device=path.tape.device)
    seed[index] = 1
    waiting = {path.output: LaggedCovariance(seed.reshape(*[1] * len(zero), *seed.shape[1:]), zero)}
    for y in sorted(path.lags, reverse=True)[:-1]:
        covariance = waiting.pop(y)
        for x, link in path.links_of(y):
            made = (expected(link) if expected_gates else link).backward(covariance, path.lags[x])
            waiting[x] = waiting[x] + made if x in waiting else made
    return waiting[0].taken(zero, zero).by_lag()[0].expand(nodes[0].shape)


def expected(link: Link) -> Link:
    """Return a nonlinearity as it acts in the mean over symmetric inputs, and all else as it is."""
    return (isinstance(link, Gate | Choice) and link.expected) or link


def _above(tape: Tape, output: int) -> set[int]:
    """Return the nodes that the output is made of."""
    above = {output}
    for y in range(output, -1, -1):
        if y in above:
            above |= {x for x, _ in tape.nodes[y].sources}
    return above


def _below(tape: Tape) -> list[int]:
    """Return the nodes to which a way leads from the image, in their order."""
    below = {0: None}
    for y, node in enumerate(tape.nodes):
        if any(x in below for x, _ in node.sources):
            below[y] = None
    return list(below)


def _kept_lags(tape: Tape, output: int, between: Sequence[int]) -> dict[int, Lags]:
    """Return the lags that can be made above a node and matter below it, none of them longer than its sides."""
    axes, nodes = range(tape.axes), tape.nodes
    needed = {y: [{0} for _ in axes] for y in between}
    for y in between:
        for x, link in nodes[y].sources:
            for axis in axes if x in needed else ():
                needed[y][axis] |= _within(nodes[y], axis, tape.axes, link.needed(axis, needed[x][axis]))
    reached = {y: [set[int]() for _ in axes] for y in between} | {output: [{0} for _ in axes]}
    for y in reversed(between):
        for x, link in nodes[y].sources:
            for axis in axes if x in needed else ():
                reached[x][axis] |= link.reached(axis, reached[y][axis]) & needed[x][axis]
    return {y: tuple(tuple(sorted(lags)) for lags in reached[y]) for y in between}


def _joined(tape: Tape, between: Sequence[int]) -> frozenset[int]:
    joined: set[int] = set()
    for y in reversed(between):
        for x, link in tape.nodes[y].sources:
            if (y in joined and not isinstance(link, DenseWeights)) or (isinstance(link, FixedFilter) and link.joins):
                joined.add(x)
    return frozenset(joined)


def _within(node: Node, axis: int, axes: int, lags: set[int]) -> set[int]:
    side = node.shape[len(node.shape) - axes + axis] if len(node.shape) > axes else 1
    return {lag for lag in lags if abs(lag) < side}


def _require_different_weights(path: Path, layer: str | None) -> None:
    users: dict[int, str] = {}
    for y, link in path.links:
        operator = path.tape.nodes[y].operator
        for parameter in link.parameters if isinstance(link, Weights | DenseWeights) else ():
            if parameter in users:
                raise InvalidInput(
                    f"{operator} uses the weights of {users[parameter]} once more: the theory is that of "
                    "weights which are independent, so each may run once"
                )
            users[parameter] = operator
    if not users:
        raise InvalidInput(f"there are no weights between the image and {called(layer)}, so nothing to expect")


def _require_no_meeting(path: Path) -> None:
    """Refuse gradients that are correlated, because they come from one, and are added up again."""
    origins: dict[int, set[Origin]] = defaultdict(set, {path.output: {(0,)}})
    made = 0
    for y in sorted(path.lags, reverse=True)[:-1]:
        several = len(path.tape.nodes[y].sources) > 1 and path.tape.nodes[y].operator.startswith("cat ")
        for part, (x, link) in enumerate(path.links_of(y)):
            made += link.fresh
            arriving = {(made,)} if link.fresh else {(*origin, part) if several else origin for origin in origins[y]}
            if any(_are_correlated(a, b) for a in arriving for b in origins[x]):
                raise InvalidInput(
                    f"{path.tape.nodes[x].operator}: from here two ways without weights part that meet again, by which "
                    "gradients are correlated; no rule is known for that"
                )
            origins[x] |= arriving


def _are_correlated(a: Origin, b: Origin) -> bool:
    """Different parts of one concatenation are not correlated, a part and the whole are."""
    return a[: len(b)] == b[: len(a)]
