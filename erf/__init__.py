"""Theoretical and effective receptive fields of PyTorch networks, measured and predicted."""

from erf import compatibility, inits, theory
from erf.errors import InvalidInput
from erf.maps.influence import effective_receptive_field, influence
from erf.maps.influence_map import InfluenceMap
from erf.metrics.comparison import Comparison, compare
from erf.metrics.erf_size import contribution_area_ratio, erf_size
from erf.metrics.gaussian_fit import GaussianFit, fit_gaussian
from erf.metrics.mass_radius import mass_radius, mass_within
from erf.metrics.power_law import PowerLaw, fit_power_law
from erf.reachability.receptive_field import ReceptiveField, theoretical_receptive_field
from erf.theory.linear_stacks import ConvLayer, Residual
from erf.training.erf_during_training import ErfTracker

__all__ = [
    "Comparison",
    "ConvLayer",
    "ErfTracker",
    "GaussianFit",
    "InfluenceMap",
    "InvalidInput",
    "PowerLaw",
    "ReceptiveField",
    "Residual",
    "compare",
    "compatibility",
    "contribution_area_ratio",
    "effective_receptive_field",
    "erf_size",
    "fit_gaussian",
    "fit_power_law",
    "influence",
    "inits",
    "mass_radius",
    "mass_within",
    "theoretical_receptive_field",
    "theory",
]
