"""Figures: one module for each experiment, drawn from its record alone."""
