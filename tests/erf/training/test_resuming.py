"""A training that was stopped goes on as if it had not been."""

import math

import pytest
import torch

from erf.training import checkpoints
from erf.training.checkpoints import BEST, LAST
from tests.erf.toy_training import EPOCHS, STEPS, Stopped, ToyBatches, checkpoint, run_toy, toy_plan, weights
from tests.erf.training.refused_training import the_error


def assert_resumes_to(uninterrupted, fabric, folder):
    expected, history, of_uninterrupted = uninterrupted
    network, resumed = run_toy(fabric, folder)
    assert resumed == history
    assert torch.equal(weights(network), weights(expected))
    assert checkpoint(folder) == checkpoint(of_uninterrupted)
    assert (folder / BEST).read_bytes() == (of_uninterrupted / BEST).read_bytes()
    assert {path.name for path in folder.iterdir()} == {LAST, BEST}


@pytest.mark.parametrize("stop_before", [(epoch, step) for epoch in range(EPOCHS) for step in range(STEPS)])
def test_stopped_at_any_step_it_goes_on_as_if_it_had_not_been(stop_before, uninterrupted, fabric, tmp_path):
    with pytest.raises(Stopped):
        run_toy(fabric, tmp_path, batches=ToyBatches(stop_before=stop_before))
    assert_resumes_to(uninterrupted, fabric, tmp_path)


@pytest.mark.parametrize("stop_at", range(EPOCHS + 1))
def test_stopped_while_the_erf_is_measured_it_goes_on(stop_at, uninterrupted, fabric, tmp_path):
    def on_epoch(network, epoch):
        if epoch == stop_at:
            raise Stopped
        return {"seen": epoch}

    with pytest.raises(Stopped):
        run_toy(fabric, tmp_path, on_epoch=on_epoch)
    assert_resumes_to(uninterrupted, fabric, tmp_path)


@pytest.mark.slow
def test_stopped_before_or_after_any_file_is_written_it_goes_on(uninterrupted, fabric, tmp_path, monkeypatch):
    """Every start writes one file more than the one before; every second one is stopped just before its last."""
    write = checkpoints.atomic_write
    for start in range(1, 2 * (EPOCHS * (STEPS // 2 + 2) + 1)):
        left = iter(range(start // 2))

        def write_some(path, data, left=left, last=start % 2):
            if next(left, None) is None:
                if last:
                    write(path, data)
                raise Stopped
            write(path, data)

        monkeypatch.setattr(checkpoints, "atomic_write", write_some)
        folder = tmp_path / str(start)
        try:
            run_toy(fabric, folder)
        except Stopped:
            monkeypatch.setattr(checkpoints, "atomic_write", write)
            assert_resumes_to(uninterrupted, fabric, folder)
        else:
            assert start >= 2 * (EPOCHS * (STEPS // 2 + 1) + 1)


def test_a_finished_training_is_told_again_without_training(uninterrupted, fabric):
    expected, history, folder = uninterrupted
    network, again = run_toy(fabric, folder, batches=ToyBatches(stop_before=(0, 0)))
    assert again == history
    assert torch.equal(weights(network), weights(expected))


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize(("epoch", "step"), [(0, 0), (1, 2), (2, 4)])
def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(
    value, epoch, step, uninterrupted, fabric, tmp_path
):
    bad = epoch * STEPS + step
    plan, calls = toy_plan(), []

    def loss(outputs, targets):
        calls.append(1)
        good = plan.loss(outputs, targets)
        return good * value if len(calls) > bad else good

    line = the_error(fabric, tmp_path, loss=loss)
    assert f"not finite in epoch {epoch + 1}, step {step + 1} of {STEPS}" in line
    assert str(tmp_path / LAST) in line
    checkpoint = torch.load(tmp_path / LAST, weights_only=True)
    assert len(checkpoint["history"]) - 1 == epoch
    assert checkpoint["step"] == step // 2 * 2
    assert all(tensor.isfinite().all() for tensor in checkpoint["network"].values())
    assert_resumes_to(uninterrupted, fabric, tmp_path)
