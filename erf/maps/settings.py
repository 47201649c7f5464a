"""What the attributes of a network's modules say: with others, a forward may do something else."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from enum import Enum
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

_PLAINEST = {int, float, str, bool, type(None)}  # almost all attributes are of these types: a set tells them fastest
_HOLDERS = {dict, OrderedDict, list, tuple, set}
_PLAIN = (int, float, str, bool, type(None), Enum, torch.dtype)
DEPTH = 8  # of lists within lists, which may hold themselves


def settings(network: nn.Module) -> Hashable:
    """Return the type of every module and its attributes: plain values as they are, of tensors shape and dtype.

    An object that is neither is told by its identity and by the plain values that it holds, as a configuration does.
    """
    return tuple(chain.from_iterable(_attributes(name, module) for name, module in network.named_modules()))


def _attributes(name: str, module: nn.Module) -> Iterator[Hashable]:
    """Yield a module's name and type, and the names and settings of its attributes, most of which are plain or empty.

    They follow one another in no pairs: thousands of small tuples are what the garbage collector takes long to search.
    """
    yield name
    yield type(module)
    for attribute, value in vars(module).items():
        yield attribute
        if type(value) in _PLAINEST:
            yield value
        else:
            yield _setting(value) if type(value) not in _HOLDERS or value else ()


def _setting(value: Any, depth: int = 0) -> Hashable:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Tensor):
        return value.shape, value.dtype
    if isinstance(value, nn.Module) or depth == DEPTH:  # a module's attributes are asked for by themselves
        return id(value)
    within = partial(_setting, depth=depth + 1)
    if isinstance(value, dict):
        return tuple((within(key), within(value[key])) for key in value)
    if isinstance(value, list | tuple):
        return tuple(map(within, value))
    if isinstance(value, set | frozenset):
        return frozenset(map(within, value))
    held = getattr(value, "__dict__", {})
    return id(value), tuple((name, each) for name, each in held.items() if isinstance(each, _PLAIN))
