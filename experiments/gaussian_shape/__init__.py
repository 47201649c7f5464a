"""The experiment gaussian_shape."""
