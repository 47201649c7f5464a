"""Training in several processes, and in which precision."""

from dataclasses import replace

import pytest
import torch
from torch.multiprocessing.spawn import ProcessRaisedException

from erf import InvalidInput
from erf.training.processes import Precision, launch, make_fabric
from tests.erf.toy_training import BATCH, ToyBatches, in_two_processes, run_toy, toy_network, weights

CPU = torch.device("cpu")


@pytest.mark.parametrize("start", ["forkserver", pytest.param("spawn", marks=pytest.mark.slow)])
def test_two_processes_agree_with_each_other_and_with_one(start, context, fabric, tmp_path):
    """They start with everything imported; those that users start import it, which takes most of their time."""
    two = make_fabric(CPU, processes=2)
    launcher = two.strategy._launcher
    assert launcher._start_method == "spawn"
    launcher._start_method = start
    outcome = launch(two, in_two_processes, tmp_path)
    assert outcome["same"]
    assert outcome["resumed"] == outcome["weights"]
    assert outcome["resumed_history"] == outcome["history"]

    assert outcome["exact_same"]
    one = toy_network(batch_norm=False, dtype=torch.float64)
    batches = ToyBatches(batch_size=BATCH, dtype=torch.float64)
    validation = ToyBatches(images=12, batch_size=12, seed=1, dtype=torch.float64)
    _, history = run_toy(fabric, tmp_path / "one", one, batches=batches, validation=validation)
    assert outcome["exact"] == pytest.approx(weights(one).tolist(), rel=1e-10, abs=1e-12)
    of_two = outcome["exact_history"]
    assert [epoch.loss for epoch in of_two[1:]] == pytest.approx([epoch.loss for epoch in history[1:]], rel=1e-5)
    assert [replace(epoch, loss=None) for epoch in of_two] == [replace(epoch, loss=None) for epoch in history]


def test_an_error_of_another_process_is_the_same_one_line():
    class Failing:
        def __init__(self, text):
            self.text = text

        def launch(self, *arguments):
            raise ProcessRaisedException(f"-- Process 1 terminated:\nTraceback ...\n{self.text}\n", 1, 2)

    with pytest.raises(InvalidInput, match=r"^batch_size=3: too small: really$"):
        launch(Failing("erf.errors.InvalidInput: batch_size=3: too small: really"), print)
    with pytest.raises(ProcessRaisedException):
        launch(Failing("ValueError: a bug"), print)


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InvalidInput, match="processes=2: this machine has 1 GPUs"):
        make_fabric(torch.device("cuda", 0), processes=2)


def test_precision_is_bfloat16_only_where_it_is_wanted_or_there(monkeypatch):
    names = {precision: make_fabric(CPU, precision=precision)._precision.precision for precision in Precision}
    assert names == {Precision.auto: "32-true", Precision.float32: "32-true", Precision.bfloat16: "bf16-mixed"}


def test_bfloat16_trains_and_keeps_float32_weights(tmp_path):
    network, history = run_toy(make_fabric(CPU, precision=Precision.bfloat16), tmp_path)
    assert all(parameter.dtype is torch.float32 for parameter in network.parameters())
    assert history[-1].loss < history[1].loss
