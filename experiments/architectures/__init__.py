"""The experiment architectures."""
