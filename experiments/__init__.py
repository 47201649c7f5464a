"""Experiments: one module for each claim of the paper, and what they share to run, record and draw."""
