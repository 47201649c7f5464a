"""Theoretical and effective receptive fields of PyTorch networks, measured and predicted."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from erf.public import *  # noqa: F403  # its __all__ has the names

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    """Load what is exported at its first use: torch takes seconds, and not all that imports erf needs it."""
    public = import_module("erf.public")
    globals().update({exported: getattr(public, exported) for exported in public.__all__}, __all__=public.__all__)
    if name in globals():
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *import_module("erf.public").__all__})
