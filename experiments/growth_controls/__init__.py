"""The experiment growth_controls."""
