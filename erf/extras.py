"""Packages that a part of erf needs and the rest does without; extras of pyproject.toml install them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from erf.errors import InvalidInput


class MissingPackage(ImportError, InvalidInput):
    """A package that this part of erf needs is not installed; the message says how to install it."""


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Let an import inside that fails for want of a package name the extra that installs it.

    Raises:
        MissingPackage: The package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        message = f'{error.name} is not installed; this installs it: pip install "erf[{name}]"'
        raise MissingPackage(message, name=error.name) from error
