"""The experiment expected_maps."""
