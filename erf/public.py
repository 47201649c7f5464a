"""What ``erf`` exports; ``import erf`` alone loads none of it."""

import erf.compatibility as compatibility
import erf.inits as inits
import erf.theory as theory
from erf.agreement.agreement import Agreement, check
from erf.errors import InternalError, InvalidInput
from erf.layers.measured_layer import LayerMeasurement, Setting
from erf.maps.effective_field import effective_receptive_field
from erf.maps.influence import influence
from erf.maps.influence_map import InfluenceMap
from erf.maps.sampled_map import map_of_samples
from erf.maps.statistic import Statistic
from erf.measurement.measurement import Measurement
from erf.measurement.measuring import measure
from erf.metrics.comparison import Comparison, compare
from erf.metrics.erf_size import contribution_area_ratio, erf_size
from erf.metrics.gaussian_fit import GaussianFit, Moments, fit_gaussian, map_moments
from erf.metrics.grid_average import grid_average
from erf.metrics.mass_radius import mass_radius, mass_within
from erf.metrics.normal_distance import normal_distance
from erf.metrics.power_law import PowerLaw, fit_power_law
from erf.reachability.receptive_field import ReceptiveField, theoretical_receptive_field
from erf.reachability.tiles import Halo, halo
from erf.stacks.stack_influence import stack_influence, stack_moments
from erf.theory.linear_stacks import ConvLayer, Residual
from erf.training.erf_during_training import ErfTracker

__all__ = [
    "Agreement",
    "Comparison",
    "ConvLayer",
    "ErfTracker",
    "GaussianFit",
    "Halo",
    "InfluenceMap",
    "InternalError",
    "InvalidInput",
    "LayerMeasurement",
    "Measurement",
    "Moments",
    "PowerLaw",
    "ReceptiveField",
    "Residual",
    "Setting",
    "Statistic",
    "check",
    "compare",
    "compatibility",
    "contribution_area_ratio",
    "effective_receptive_field",
    "erf_size",
    "fit_gaussian",
    "fit_power_law",
    "grid_average",
    "halo",
    "influence",
    "inits",
    "map_moments",
    "map_of_samples",
    "mass_radius",
    "mass_within",
    "measure",
    "normal_distance",
    "stack_influence",
    "stack_moments",
    "theoretical_receptive_field",
    "theory",
]
