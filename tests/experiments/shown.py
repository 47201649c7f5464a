"""What the figures of each experiment show, as its folder of tests says it."""

from importlib import import_module


def shown_of(name):
    """Return the function from a record of the experiment to what its figure shows."""
    return import_module(f"tests.experiments.{name}.shown").shown
