"""What several files of tests need."""

import pytest
import torch


@pytest.fixture(scope="session")
def two_processes(tmp_path_factory):
    """What two processes found of the toy training."""
    from erf.training.processes import launch, make_fabric
    from tests.erf.toy_training import in_two_processes

    fabric = make_fabric(torch.device("cpu"), processes=2)
    return launch(fabric, in_two_processes, tmp_path_factory.mktemp("two_processes"))
