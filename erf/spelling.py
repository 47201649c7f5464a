"""Spellings of 0.1 that 0.2 still reads: of attributes and values in code, of keys and values in what was written."""

from __future__ import annotations

import os
import sys
import warnings
from functools import reduce
from pathlib import Path
from typing import Any

PACKAGE = f"{Path(__file__).parent}{os.sep}"
NEW = {"centre": "center", "normalis": "normaliz"}  # parts of words: of centre_unit, of unnormalised_learning_rate, ...


def respelled(tree: Any) -> Any:
    """Return dicts, lists and plain values with all keys, and all texts that are one word, in today's spelling."""
    if isinstance(tree, dict):
        return {_respelled(key): respelled(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(map(respelled, tree))
    return _respelled(tree) if isinstance(tree, str) and tree.isidentifier() else tree


def in_spelling_of_0_1(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with their keys, and those values that are one of the words, as 0.1 spelled them."""
    old = {new: old for old, new in NEW.items()}
    values = {key: old.get(value, value) if isinstance(value, str) else value for key, value in settings.items()}
    return {reduce(lambda key, word: key.replace(word, old[word]), old, key): value for key, value in values.items()}


def today(value: str) -> str:
    """Return a value in today's spelling; with a DeprecationWarning where it came in that of 0.1."""
    new = _respelled(value)
    if new != value:
        _warn(f"{value!r} is spelled {new!r}")
    return new


class OldName:
    """An attribute by its name of 0.1, which reads the one that has its place: ``centre = OldName("center")``."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __set_name__(self, owner: type, old: str) -> None:
        self._spelled = f"{owner.__name__}.{old} is spelled {self._name}"

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        _warn(self._spelled)
        return getattr(instance, self._name)


def _respelled(word: str) -> str:
    for old, new in NEW.items():
        word = word.replace(old, new)
    return word


def _warn(spelled: str) -> None:
    """Warn at the line outside of this package that has the old spelling."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_code.co_filename.startswith(PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(f"{spelled}; erf 0.3 will not read the old spelling", DeprecationWarning, stacklevel=level)
