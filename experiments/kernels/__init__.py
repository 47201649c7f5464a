"""The experiment kernels."""
