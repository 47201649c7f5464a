"""The experiment exact_theory."""
