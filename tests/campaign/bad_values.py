"""Values of every kind that callers may pass by mistake, and whether an annotation allows one."""

import collections.abc
import contextlib
import datetime
import decimal
import enum
import fractions
import math
import types
import typing
from collections.abc import Callable, Iterator
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

NAN, INF = math.nan, math.inf


class Colour(enum.Enum):
    red = 1


class Name(str):
    """A subclass that is used like a string."""

    __slots__ = ()


class Whole(int):
    """A subclass that is used like an int."""


class Contrary:
    """An object of which nothing can be asked."""

    def fail(self, *_: object) -> typing.NoReturn:
        raise RuntimeError("contrary")

    __len__ = __iter__ = __eq__ = __bool__ = __float__ = __int__ = __index__ = __getitem__ = __array__ = fail
    __lt__ = __le__ = __gt__ = __ge__ = __hash__ = __repr__ = __str__ = __fspath__ = fail


def numbers() -> Iterator[Any]:
    yield from (
        None, True, False, 0, -1, 1, 2, 3, 7, 255, 256, 1.5, -0.5, 0.0, -0.0, 1.0, NAN, INF, -INF, 1j,
        complex(NAN, 1), 1e300, -1e300, 1e-320, 10**30, -(10**30), 2**31, 2**63, 2**64, -(2**63), 10**6,
        10**400, np.int64(-1), np.int8(3), np.float32(NAN), np.float64(0.5), np.bool_(True),
        np.complex64(1j), np.datetime64("2020"), np.str_("typo"), np.void(b"x"), decimal.Decimal("0.5"),
        decimal.Decimal("NaN"), fractions.Fraction(1, 2), fractions.Fraction(3), Whole(3), Whole(-1),
        datetime.timedelta(1),
    )  # fmt: skip


def texts() -> Iterator[Any]:
    yield from (
        "", " ", "typo", "1", "None", "nan", "a\nb", "\0", "ä", "\ud800", "x" * 10_000, "../..", "/dev/null",
        "~", b"", b"x", bytearray(b"x"), memoryview(b"x"), Name("typo"), Name(""), Colour.red, Colour,
        Path(), Path("no"),
    )  # fmt: skip


def containers() -> Iterator[Any]:
    yield from (
        [], (), {}, set(), frozenset({1}), [[]], [None], (None,), {"a": 1}, [[1.0], []], [1, "2"], [NAN],
        (INF, 1), (0, 0), (-1, -1), (1, 2), (1.5, 2), (True, 1), (3, 3), (3, 3, 3), (NAN, NAN),
        (10**9, 10**9), ("1", "1"), [1, 2, 3], [0, 0], [-1], ["typo"], [""], range(0), range(3), iter([1]),
        (n for n in (1, 2)), zip([1], [2], strict=True), slice(None), Ellipsis, NotImplemented,
        types.SimpleNamespace(a=1), collections.OrderedDict(), {1: 2}, ((0, 3), (0, 3)), ((3, 0), (0, 3)),
        [(1, 1), (2, 2)], [(1, 1), None], ((0, 3), "ab"), collections.deque([1]),
    )  # fmt: skip
    yield (endless := [])
    endless.append(endless)


def arrays() -> Iterator[Any]:
    yield from (
        np.array(3), np.array(NAN), np.zeros(0), np.zeros((0, 3)), np.ones(3), np.ones((3, 3)),
        -np.ones((3, 3)), np.full((3, 3), NAN), np.full((3, 3), INF), np.ones((3, 3), complex),
        np.ones((3, 3), bool), np.ones((3, 3), object), np.full((3, 3), "a"), np.ones((2, 3, 3)),
        np.ones((1,) * 6), np.ones((3, 3), np.float16), np.zeros((3, 3)), np.full((3, 3), 1e300),
        np.full((3, 3), 1e-320), np.ones((3, 3), np.uint8), np.ma.masked_all((3, 3)),
        np.zeros(2, [("a", int)]), np.array(["2020"], "datetime64[D]"), np.broadcast_to(1.0, (10**4, 10**4)),
        np.ones((3, 3), ">f8"), np.full((3, 3), NAN)[::-1, ::2],
    )  # fmt: skip


def tensors() -> Iterator[Any]:
    image = torch.ones(1, 1, 7, 7)
    yield from (
        torch.tensor(1), torch.tensor(NAN), torch.zeros(0), torch.ones(3), torch.ones(3, 3),
        torch.ones(2, 3, 4, 4), image, image * NAN, image * INF, image.int(), image.bool(), image.half(),
        image.to(torch.complex64), -image, image.to_sparse(), image.to("meta"), image[:0], image[:, :0],
        image[..., :0], image[0], image[0, 0], image[None], image.to(torch.float8_e4m3fn), image.byte(),
        image.double().requires_grad_(), nn.Parameter(image.clone()),
    )  # fmt: skip
    yield torch.zeros(1).expand(1, 1, 2000, 2000)
    yield from (
        image * 1e30, torch.zeros_like(image), image.to(memory_format=torch.channels_last), [image],
        [image * NAN],
    )  # fmt: skip
    with contextlib.suppress(RuntimeError):
        yield image.view(torch.int32)
    yield from (
        (image,), {"images": image}, (image for _ in range(2)), torch.Generator(), torch.device("meta"),
        torch.float32,
    )  # fmt: skip


class Raises(nn.Module):
    def forward(self, images):
        raise KeyError("of the network")


class ReturnsNothing(nn.Module):
    def forward(self, images):
        return None


class ReturnsText(nn.Module):
    def forward(self, images):
        return "features"


class Detaches(nn.Module):
    def forward(self, images):
        return images.detach()


class Turns(nn.Module):
    def forward(self, images):
        return images.to(torch.complex64)


def modules() -> Iterator[Any]:
    yield from (
        nn.Identity(), nn.Sequential(), nn.ModuleList(), nn.ReLU(), nn.Linear(2, 2), nn.Conv1d(1, 1, 3),
        nn.Conv3d(1, 1, 1), Raises(), ReturnsNothing(), ReturnsText(), Detaches(), Turns(), nn.Conv2d,
        nn.Conv2d(1, 2, 3, dtype=torch.float16), nn.Conv2d(1, 2, 99), nn.Conv2d(5, 2, 3),
        nn.Conv2d(1, 2, 3, device="meta"), nn.LSTM(7, 2), nn.Embedding(3, 2), nn.MultiheadAttention(4, 2),
        nn.Transformer(4, 2, 1, 1, 4, batch_first=True), nn.BatchNorm2d(1), nn.Conv2d(1, 2, 3).bfloat16(),
        len, print, lambda: None, lambda *_: None, lambda network, images: images, object(), type, int,
        Contrary(),
    )  # fmt: skip


def all_values() -> list[Callable[[], Any]]:
    """Return what makes each value, anew at every call: some of them are used up."""
    kinds = (numbers, texts, containers, arrays, tensors, modules)
    return [lambda kind=kind, place=place: list(kind())[place] for kind in kinds for place in range(len(list(kind())))]


def fits(value: Any, annotation: Any) -> bool:
    """Return whether ``value`` is of the annotated type; what cannot be looked into is."""
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in (Any, typing.Any) or isinstance(annotation, typing.TypeVar | str):
        return True
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in inside)
    if origin is typing.Literal:
        return isinstance(value, str | int) and value in inside
    if origin is collections.abc.Callable or annotation is Callable:
        return callable(value)
    if annotation is None or annotation is type(None):
        return value is None
    if annotation is Path:
        return isinstance(value, str | Path)
    if annotation in (int, float):
        kind = Integral if annotation is int else Real
        return isinstance(value, kind) and not isinstance(value, bool | np.bool_) and value == value
    if origin is tuple:
        return isinstance(value, list | tuple) and _tuple_fits(value, inside)
    if isinstance(origin, type):
        return _container_fits(value, origin, inside)
    return isinstance(value, annotation) if isinstance(annotation, type) else True


def _tuple_fits(value: Any, inside: tuple) -> bool:
    if len(inside) == 2 and inside[1] is Ellipsis:
        return all(fits(one, inside[0]) for one in value)
    return len(value) == len(inside) and all(map(fits, value, inside))


def _container_fits(value: Any, origin: type, inside: tuple) -> bool:
    if not isinstance(value, origin) or isinstance(value, str | bytes):
        return False
    if not isinstance(value, list | tuple | dict):
        return True
    items = value.items() if isinstance(value, dict) else ((one,) for one in value)
    return all(fits(one, kind) for item in items for one, kind in zip(item, inside, strict=False))
