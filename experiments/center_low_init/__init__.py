"""The experiment center_low_init."""
