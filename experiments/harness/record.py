"""Records: what a run leaves behind, written whole or not at all, and read back with every type checked."""

from __future__ import annotations

import io
import json
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec
import numpy as np

from erf.errors import InvalidInput, one_line
from erf.files.atomic_file import atomic_write
from erf.files.regular_file import read_regular
from erf.spelling import respelled
from experiments.harness.environment import Environment
from experiments.harness.experiment import ExperimentConfig, ExperimentResult
from experiments.harness.soundness import checksums, require_arrays, require_numbers

RESULT, ARRAYS, ENVIRONMENT = "result.json", "arrays.npz", "environment.json"
UNCHECKED = "unchecked: it was written before checksums were kept"  # a record
LARGEST = 4 << 30  # bytes of all arrays of a record
CHECKSUMS = "checksums"  # in the environment's file: of the record's files, by name; of itself without them

# What numpy raises for an npz file that is damaged somewhere.
UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, ValueError, EOFError, LookupError, RuntimeError)
UNREADABLE += (OverflowError, MemoryError, OSError, SyntaxError, tokenize.TokenError)

T = TypeVar("T")


def is_complete(folder: Path) -> bool:
    """Return whether ``folder`` holds a whole record; its result is written last."""
    return (folder / RESULT).exists()


def write_record(folder: Path, result: ExperimentResult, environment: Environment) -> None:
    """Write ``result`` and ``environment`` into ``folder``, with checksums of both and of the arrays.

    Raises:
        InvalidInput: A number of the result is not finite, so JSON cannot hold it, or an array is not of its layout.
    """
    numbers = msgspec.to_builtins(replace(result, arrays={}))  # pyright: ignore[reportArgumentType]
    del numbers["arrays"]
    for key in _non_finite(numbers, "result"):
        raise InvalidInput(f"{folder}: {key} is not finite, so it cannot be recorded; allowed: numbers or None")
    with _about(folder / RESULT):
        require_numbers(result)
    with _about(folder / ARRAYS):
        require_arrays(result)
    files = {ARRAYS: encode_arrays(result.arrays), RESULT: _encode(numbers)}
    about = msgspec.to_builtins(environment)
    written = checksums(files | {ENVIRONMENT: _encode(about)})
    replace_files(folder, files | {ENVIRONMENT: _encode(about | {CHECKSUMS: written})})


def replace_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of a record, by name, into ``folder``, in the place of those of another.

    The old result is removed first and the new one written last: whenever that stops, there is no record of some old
    and some new files.
    """
    if all((folder / name).exists() and (folder / name).read_bytes() == content for name, content in files.items()):
        return
    withdraw(folder)
    for name in sorted(files, key=RESULT.__eq__):
        atomic_write(folder / name, files[name])


def withdraw(folder: Path) -> None:
    """Remove the result from ``folder``, so that it is no complete record while its files are replaced."""
    (folder / RESULT).unlink(missing_ok=True)


def read_record(folder: Path, kind: type[T]) -> T:
    """Return the result of type ``kind`` in ``folder``.

    Raises:
        InvalidInput: A file is missing, cannot be read or is not as it was written, a value has not the type that
            ``kind`` gives it, or the arrays are not those of its layout.
    """
    numbers = respelled(_decode(folder / RESULT, dict[str, Any]))
    require_as_written(folder)
    arrays = decode_arrays(folder / ARRAYS)
    with _about(folder / RESULT):
        result = _converted(numbers | {"arrays": arrays}, kind)
        require_numbers(result)
    with _about(folder / ARRAYS):
        require_arrays(result)
    return result


def _converted(tree: dict[str, Any], kind: type[T]) -> T:
    config: type[ExperimentConfig] = get_type_hints(kind)["config"]
    dataclass: Any = kind
    tree = {name: value for name, value in tree.items() if not isinstance(getattr(kind, name, None), property)}
    if unknown := tree.keys() - {field.name for field in fields(dataclass)}:
        raise InvalidInput(f"does not fit its experiment: its entry {min(unknown)!r} is unknown here")
    if isinstance(tree.get("config"), dict):
        tree = tree | {"config": config.updated(tree["config"])}
        if unknown := tree["config"].keys() - {field.name for field in fields(config)}:
            raise InvalidInput(f"does not fit its experiment: its setting {min(unknown)!r} is unknown here")
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"does not fit its experiment: {error}") from error


@contextmanager
def _about(path: Path) -> Iterator[None]:
    """Let an InvalidInput begin with the file that it is about."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"{path} {error}") from error


def require_as_written(folder: Path) -> None:
    """Raise InvalidInput unless the files of the record in ``folder`` are there and have the checksums noted, if any.

    Records that were written before checksums were kept have none: see :func:`is_checked`.
    """
    about = _decode(folder / ENVIRONMENT, dict[str, Any])
    files = {name: _read(folder / name) for name in (RESULT, ARRAYS)}
    has_checksums, written = CHECKSUMS in about, about.pop(CHECKSUMS, None)
    if unknown := about.keys() - {field.name for field in fields(Environment)}:
        raise InvalidInput(f"{folder / ENVIRONMENT} is damaged: {min(unknown)!r} is unknown")
    if not has_checksums:
        return
    for name, checksum in checksums(files | {ENVIRONMENT: _encode(about)}).items():
        if not isinstance(written, dict) or written.get(name) != checksum:
            raise InvalidInput(f"{folder / name} is damaged: its SHA-256 is not the one noted in {ENVIRONMENT}")


def is_checked(folder: Path) -> bool:
    """Return whether the record in ``folder`` has checksums, which reading compares.

    Raises:
        InvalidInput: Its environment is missing or damaged.
    """
    return CHECKSUMS in _decode(folder / ENVIRONMENT, dict[str, Any])


def read_environment(folder: Path) -> Environment:
    """Return where the record in ``folder`` was measured.

    Raises:
        InvalidInput: The file is missing or damaged, or cannot be read.
    """
    return _decode(folder / ENVIRONMENT, Environment)


@dataclass(frozen=True)
class _Named:
    name: str


@dataclass(frozen=True)
class _Header:
    config: _Named
    data: str | None = None


def recorded_data(folder: Path) -> str | None:
    """Return the SHA-256 of the data that the record in ``folder`` is of; None where it names none.

    Raises:
        InvalidInput: The file is missing or damaged, or cannot be read.
    """
    return _decode(folder / RESULT, _Header).data


def recorded_experiment(folder: Path) -> str:
    """Return the name of the experiment whose record is in ``folder``.

    Raises:
        InvalidInput: The file is missing or damaged, or cannot be read.
    """
    return _decode(folder / RESULT, _Header).config.name


def encode_arrays(arrays: dict[str, np.ndarray]) -> bytes:
    """Return ``arrays`` as an npz file, the same bytes for the same arrays."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # pyright: ignore[reportArgumentType]
    return buffer.getvalue()


def decode_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of the npz file at ``path``.

    Raises:
        InvalidInput: The file is missing or damaged, or cannot be read.
    """
    packed = io.BytesIO(_read(path))
    try:
        with np.load(packed, allow_pickle=False) as stored:
            if sum(member.file_size for member in stored.zip.infolist()) > LARGEST:
                raise ValueError(f"its arrays have more than {LARGEST} bytes")
            return respelled(dict(stored))
    except UNREADABLE as error:
        raise InvalidInput(f"{path} is damaged: {one_line(error)}") from error


def _encode(tree: Any) -> bytes:
    return json.dumps(tree, indent=2, allow_nan=False).encode() + b"\n"


def _read(path: Path) -> bytes:
    try:
        return read_regular(path)
    except FileNotFoundError as error:
        raise InvalidInput(f"{path} is missing") from error
    except OSError as error:  # a folder, no permission, a disk that fails
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error


def _decode(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(_read(path), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} is damaged: {error}") from error


def _non_finite(tree: Any, key: str) -> Iterator[str]:
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from _non_finite(value, f"{key}.{name}")
    elif isinstance(tree, list | tuple):
        for index, value in enumerate(tree):
            yield from _non_finite(value, f"{key}[{index}]")
    elif isinstance(tree, float) and not math.isfinite(tree):
        yield key
