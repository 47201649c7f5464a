"""The experiment erf_growth."""
