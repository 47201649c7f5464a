"""The smallest run of every experiment."""

from dataclasses import replace
from functools import cache

from experiments.harness.about import about
from experiments.harness.cli import config_of
from experiments.harness.experiment import load
from tests.experiments.list_logbook import ListLogbook
from tests.experiments.toy_data import toy_data


@cache
def smallest_config(name):
    """Return the config of the smallest run; its data are toys."""
    config = config_of([f"experiment={name}", "scale=smallest"])
    return replace(config, data_dir=str(toy_data())) if about(name).data else config


def smallest_run(experiment, logbook=None, **settings):
    """Run an experiment at its smallest size, but for these settings."""
    return experiment.run(replace(smallest_config(experiment.name), **settings), logbook or ListLogbook())


@cache
def smallest_result(name):
    """Return a result that is only looked at, and its logbook."""
    logbook = ListLogbook()
    return smallest_run(load(name), logbook), logbook
