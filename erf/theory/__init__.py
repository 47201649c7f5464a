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
from erf.theory.path_moments import expected_sigma

__all__ = [
    "Block",
    "ConvLayer",
    "Residual",
    "expected_map",
    "expected_sigma",
    "gaussian_sigma",
    "influence_map",
    "mean_abs_limit",
    "variance",
]
