"""Exact influence maps, without sampling (section 2 of the paper)."""

from erf.theory.expected_maps import expected_map
from erf.theory.linear_stacks import (
    Block,
    ConvLayer,
    Residual,
    gaussian_sigma,
    influence_map,
    mean_abs_limit,
    variance,
)

__all__ = [
    "Block",
    "ConvLayer",
    "Residual",
    "expected_map",
    "gaussian_sigma",
    "influence_map",
    "mean_abs_limit",
    "variance",
]
