"""Theoretical and effective receptive fields of PyTorch networks, measured and predicted."""

from erf import compatibility, inits, theory
from erf.comparison import Comparison, compare
from erf.erf_during_training import ErfTracker
from erf.erf_size import contribution_area_ratio, erf_size
from erf.errors import InvalidInput
from erf.gaussian_fit import GaussianFit, fit_gaussian
from erf.influence import effective_receptive_field, influence
from erf.influence_map import InfluenceMap
from erf.mass_radius import mass_radius, mass_within
from erf.power_law import PowerLaw, fit_power_law
from erf.receptive_field import ReceptiveField, theoretical_receptive_field
from erf.theory import ConvLayer, Residual

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
