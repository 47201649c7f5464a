"""Whether a network computes on a part of the image what it computes there on the whole.

Two passes without data are compared, operator by operator: that of the whole image and that of the part. The unit's
*cone* is every value that it depends on. The part gives the same cone if

1. the same operators run with the same numbers, on the same parameters, and each of them does the same everywhere along
   the axes: none reads fixed positions, wraps around, or knows how large the image is;
2. what no pixel reaches (parameters and what is made of them) is the same in both passes, so that it cannot tell where
   in the image it is;
3. the boxes of each tensor of the part are those of a stretch of the whole one's, moved by the part's start;
4. where that stretch ends before the whole tensor does, what lies beyond would have to be read from padding: no
   position there may be in the cone, as its box, by 1 to 3 known from those before the end, leaves the unit's box.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import zip_longest
from typing import Any

import numpy as np
import torch

from erf.reachability.box import Box
from erf.reachability.digit import DIRECTION, NUMBERS
from erf.reachability.reach import Reach
from erf.reachability.record import Operand, Operation, Reaches, Step, Trace
from erf.reachability.registry import RULES, is_pointwise, name_of
from erf.reachability.request import Index

# Operators that do the same at every position, besides pointwise ones. Left out are roll and circular
# padding (they read the other end), reflection and replication (they read what is inside for what is outside),
# adaptive pooling, indices, writes into views, and all that draws random numbers.
STATIONARY = frozenset(
    """convolution max_pool2d_with_indices max_pool3d_with_indices avg_pool2d avg_pool3d constant_pad_nd unfold im2col
    upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d
    _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d
    pixel_shuffle pixel_unshuffle channel_shuffle native_batch_norm _native_batch_norm_legit_no_training
    native_layer_norm _fused_rms_norm native_group_norm mm bmm mv addmm baddbmm _softmax _log_softmax _safe_softmax glu
    mean sum amax amin prod logsumexp var std max min var_mean std_mean linalg_vector_norm norm
    clone detach alias view _unsafe_view _reshape_alias expand unsqueeze squeeze permute transpose t
    slice select split split_with_sizes unbind cat stack""".split()  # noqa: SIM905
)
SIZED = ("view", "_unsafe_view", "_reshape_alias", "expand")  # whose numbers are sizes, which the boxes tell
MADE_LIKE = ("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full")


class Differs(Exception):
    """The part may not give what the whole gives."""


def check_translation(whole: Trace, step: Step, part: Trace, start: Sequence[int], box: Box) -> None:
    """Compare the pass of the whole image, up to one module's return, with that of the part.

    Args:
        whole: Pass of the whole image.
        step: The module's call in it.
        part: Pass of an image of the part's size, up to the same module's return.
        start: The part's first pixel, per axis.
        box: Of the unit, in the part's coordinates.

    Raises:
        Differs: The unit's cone may differ.
    """
    if step.results != part.steps[-1].results:
        raise Differs("another tensor is returned")
    counts = step.operations, len(part.operations)
    compare_operators(whole, part, counts, lambda a, b: check_moved(a, b, start, box))


def compare_operators(
    whole: Trace, part: Trace, counts: tuple[int, int], check_boxes: Callable[[Operation, Operation], None]
) -> None:
    """Compare the first operators of two passes, as many of each as ``counts`` says.

    Args:
        whole: A pass.
        part: A pass of an image of another size.
        counts: Of operators in both.
        check_boxes: Called with both calls of each operator that pixels reach.

    Raises:
        Differs: The same operators do not run, or one of them may depend on the position or the size.
    """
    same = set(range(whole.image))  # numbers of the tensors that no pixel reaches and that are equal in both passes
    reached: dict[int, Any] = {whole.image: (whole.size, part.size)}  # the others, with their shapes in both passes
    for a, b in zip_longest(whole.operations[: counts[0]], part.operations[: counts[1]]):
        if a is None or b is None or a.operator is None or a.operator is not b.operator or a.results != b.results:
            raise Differs(f"other operators run: {a and a.operator}, {b and b.operator}")
        used = operands(a.arguments)
        if any(a.reaches):
            if not used <= same | reached.keys():
                raise Differs(f"{a.operator} takes a constant that may differ")
            _check_stationary(a, b, reached)
            check_boxes(a, b)
            reached |= {number: pair for number, *pair in zip(a.results, a.shapes, b.shapes, strict=True)}
        elif _is_same_constant(a, b, used <= same):
            same.update(a.results)
        elif a.operator._schema.is_mutable:
            raise Differs(f"{a.operator} writes to a constant what may differ")


def moved_index(whole: Reaches, part: Reaches, start: Sequence[int], index: Index) -> Index:
    """Return where in the part's tensor stands what has this index in the whole one.

    Raises:
        Differs: It is not there.
    """
    offsets = dict(filter(None, stretches(whole, part, start)))
    moved: list[int | slice] = []
    first = 0  # digit of the dimension
    for place, old, new in zip(index, whole[0].dims, part[0].dims, strict=False):
        if isinstance(place, int):
            digits = np.unravel_index(place, [digit.size for digit in old])
            digits = [int(digit) - offsets.get(first + k, 0) for k, digit in enumerate(digits)]
            if any(not 0 <= digit < other.size for digit, other in zip(digits, new, strict=True)):
                raise Differs("the unit is not in the part")
            place = int(np.ravel_multi_index(digits, [digit.size for digit in new]))
        moved.append(place)
        first += len(old)
    return tuple(moved)


def alignment(passed: Trace, operations: int, axis: int) -> int:
    """Return the pixels by which the boxes of all tensors of a pass repeat along an axis: their jumps' multiple."""
    shifts = {
        abs(digit.shift)
        for operation in passed.operations[:operations]
        for reaches in operation.reaches
        if reaches
        for digit in reaches[axis].digits
    }
    return math.lcm(*(shifts - {0}))


def operands(arguments: Any) -> set[int | None]:
    """Return the numbers of the tensors among an operator's arguments."""
    if isinstance(arguments, Operand):
        return {arguments.number}
    return set().union(*map(operands, arguments)) if isinstance(arguments, tuple) else set()


def _is_same_constant(a: Operation, b: Operation, of_same: bool) -> bool:
    """Whether a tensor that no pixel reaches is equal in both passes."""
    assert a.operator is not None
    made = _name(a) in MADE_LIKE
    drawn = torch.Tag.nondeterministic_seeded in a.operator.tags
    return (of_same or made) and not drawn and a.arguments == b.arguments and a.shapes == b.shapes


def _name(operation: Operation) -> str:
    assert operation.operator is not None
    return name_of(operation.operator)


def _check_stationary(a: Operation, b: Operation, shapes: dict[int, Any]) -> None:
    """Raise unless the operator does the same at every position, and the same in both passes."""
    assert a.operator is not None
    name = _name(a)
    pointwise = name not in RULES and is_pointwise(a.operator)
    if not (pointwise or name in STATIONARY):
        raise Differs(f"{a.operator} may depend on the position")
    if "upsample" in name:
        _check_resampling(a, b, shapes)
    elif name in SIZED:
        if operands(a.arguments) != operands(b.arguments):
            raise Differs(f"{a.operator} takes another tensor")
    elif _without_end(name, a.arguments) != _without_end(name, b.arguments):
        raise Differs(f"{a.operator} is called with {a.arguments} and {b.arguments}")


def _without_end(name: str, arguments: Any) -> Any:
    """Leave out where a slice ends, which the boxes tell."""
    (given, options) = arguments
    return ((*given[:3], *given[4:]), options) if name == "slice" else arguments


def _check_resampling(a: Operation, b: Operation, shapes: dict[int, Any]) -> None:
    """Only a power of two puts the same weights on all positions, in floating point too."""
    (source, _, *settings), options = a.arguments
    (other, _, *others), other_options = b.arguments
    if (source, settings, options) != (other, others, other_options):
        raise Differs(f"{a.operator} is called with {a.arguments} and {b.arguments}")
    ratios = [
        [Fraction(old, new) for old, new in zip(shape[-len(size) :], size, strict=True)]
        for shape, size in zip(shapes[source.number], (a.shapes[0][2:], b.shapes[0][2:]), strict=True)
    ]
    terms = [term for ratio in ratios[0] for term in ratio.as_integer_ratio()]
    if ratios[0] != ratios[1] or any(term & (term - 1) for term in terms):
        raise Differs(f"{a.operator} resamples by {ratios[0]} and {ratios[1]}")


def check_moved(a: Operation, b: Operation, start: Sequence[int], box: Box) -> None:
    """Raise unless what the part's operator returned is a stretch of the whole one's, complete for the cone."""
    for whole, part in zip(a.reaches, b.reaches, strict=True):
        if whole is None or part is None:
            if whole is not part:
                raise Differs(f"{a.operator} is reached by pixels in one pass only")
            continue
        if not all(reach.values.size for reach in (*whole, *part)):
            raise Differs(f"the boxes of {a.operator} take too much memory to be kept")
        for x, y, first, sides, stretch in zip(whole, part, start, box, stretches(whole, part, start), strict=True):
            _check_boxes(x, y, first, stretch)
            if stretch:
                _check_beyond(x, y, *stretch, sides)


def stretches(whole: Reaches, part: Reaches, start: Sequence[int]) -> list[tuple[int, int] | None]:
    """Return, per axis, the digit along which the part is shorter and where it begins; None if it is along none."""
    layouts = {tuple(map(len, reach.dims)) for reach in (*whole, *part)}
    sizes = [{tuple(digit.size for digit in reach.digits) for reach in reaches} for reaches in (whole, part)]
    if len(layouts) > 1 or any(len(different) > 1 for different in sizes):
        raise Differs("the dimensions are made of other directions")
    shorter = {k for k, (n, m) in enumerate(zip(sizes[0].pop(), sizes[1].pop(), strict=True)) if n != m}
    pairs = [_stretch(*axis, shorter) for axis in zip(whole, part, start, strict=True)]
    if sorted(pair[0] for pair in pairs if pair) != sorted(shorter):
        raise Differs("a dimension has another size, but no axis of the image runs along it")
    return pairs


def _stretch(whole: Reach, part: Reach, start: int, shorter: set[int]) -> tuple[int, int] | None:
    digits = whole.digits, part.digits
    along = [k for k in shorter if not (digits[0][k].constant and digits[1][k].constant)]
    if not along:
        return None
    x, y = digits[0][along[0]], digits[1][along[0]]
    if len(along) > 1 or x.law != y.law or x.period == 0 or x.shift <= 0 or start % x.shift:
        raise Differs("how the boxes go on is not the same")
    first = start * x.period // x.shift
    if first + y.size > x.size:
        raise Differs("the part has positions that the whole has not")
    return along[0], first


def _check_boxes(whole: Reach, part: Reach, start: int, stretch: tuple[int, int] | None) -> None:
    values = whole.values
    if stretch:
        k, first = stretch
        values = values.take(range(first, first + part.digits[k].size), 1 + k) if values.shape[1 + k] > 1 else values
    expected = part.values + start * DIRECTION.reshape(NUMBERS, *(1,) * (part.values.ndim - 1))
    if not np.array_equal(values, expected):
        raise Differs("the boxes are not the same")


def _check_beyond(whole: Reach, part: Reach, k: int, first: int, sides: tuple[int, int]) -> None:
    """Raise if a position next to the stretch, which only the whole has, may lie in the cone: those after it do not."""
    digit, values = part.digits[k], part.values
    if values.shape[1 + k] != digit.size or digit.period > digit.size:
        raise Differs("how the boxes go on is not known")
    spanned = np.isfinite(values[2:]).any(axis=0)
    below = (values[0] - digit.shift < sides[0]) | spanned
    above = (digit.shift - values[1] >= sides[1]) | spanned
    if first > 0 and not below.take(range(digit.period), k).all():
        raise Differs("what the unit depends on goes on before the part")
    if first + digit.size < whole.digits[k].size and not above.take(range(-digit.period, 0), k).all():
        raise Differs("what the unit depends on goes on after the part")
