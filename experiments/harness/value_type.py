"""What the type of a setting allows, asked of a value as it is typed."""

from __future__ import annotations

from enum import Enum
from types import NoneType
from typing import Any, get_args, get_origin

WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", NoneType: "null"}


def is_of_type(value: Any, kind: Any) -> bool:
    """Return whether a value may be given to a setting of type ``kind``; what refers to another setting may."""
    if kind is Any or (isinstance(value, str) and "${" in value):
        return not isinstance(value, dict)
    if get_origin(kind) is list:
        return isinstance(value, list) and all(is_of_type(entry, *get_args(kind)) for entry in value)
    if get_args(kind):
        return any(is_of_type(value, part) for part in get_args(kind))
    if issubclass(kind, Enum):
        return isinstance(value, str) and value in kind.__members__
    allowed = {float: (int, float), str: (int, str)}.get(kind, kind)  # a folder may be called 2024
    return isinstance(value, allowed) and (kind is bool or not isinstance(value, bool)) and value != "???"


def type_in_words(kind: Any) -> str:
    """Return what a setting of type ``kind`` may be."""
    if kind is Any:
        return "a value or a list of such"
    if get_origin(kind) is list:
        return f"a list, in brackets, each entry {type_in_words(*get_args(kind))}"
    if get_args(kind):
        return " or ".join(map(type_in_words, get_args(kind)))
    return f"one of {', '.join(kind.__members__)}" if issubclass(kind, Enum) else WORDS[kind]
