"""The experiment magnitudes_and_signs."""
