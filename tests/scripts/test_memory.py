"""Apart from the benchmark's other tests: the new process imports this module, and no more than it needs."""

import numpy as np
import pytest

from scripts.benchmarks import memory


def growth(mebibytes: int) -> float:
    before = memory.resident_peak()
    np.ones(mebibytes * 2**17)
    return memory.resident_peak() - before


@pytest.mark.skipif(memory.resident_peak() is None, reason="this system does not tell a process's peak memory")
def test_memory_is_that_of_the_call_alone():
    np.ones(400 * 2**17)  # would hide the call's, were this process counted
    assert memory.in_fresh_process(growth, 200) == pytest.approx(200, abs=5)
