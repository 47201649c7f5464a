"""The experiment growth_start."""
