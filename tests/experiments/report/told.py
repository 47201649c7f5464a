"""What the report's page tells of a run."""

from experiments.harness.reference_runs import command
from experiments.report.section import section


def told(folder, name="exact_theory"):
    return section(folder, name, command(name))
