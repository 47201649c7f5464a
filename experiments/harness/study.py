"""What the studies of different experiments have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from erf import InvalidInput
from experiments.harness.experiment import ExperimentConfig

C = TypeVar("C", bound=ExperimentConfig)


def shared_config(configs: Sequence[C], swept: Mapping[str, Any]) -> C:
    """Return the settings that all runs share, with ``swept`` in the place of those that a study varies.

    Raises:
        InvalidInput: They differ in others.
    """
    shared = [replace(config, **swept) for config in configs]
    for other in shared[1:]:
        keys = [key for key, value in vars(other).items() if value != getattr(shared[0], key)]
        if keys:
            raise InvalidInput(f"runs differ in {', '.join(keys)}; a study varies {', '.join(swept)} alone")
    return shared[0]
