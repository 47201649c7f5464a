import math
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn
from torch.multiprocessing.spawn import ProcessRaisedException

from erf import InvalidInput
from erf.training import checkpoints
from erf.training.checkpoints import BEST, LAST, best_weights, half_precision_weights, load_weights
from erf.training.loop import calibrate, evaluate, train, training_step
from erf.training.plan import Epoch, best_epoch
from erf.training.processes import Precision, launch, make_fabric
from tests.erf.toy_training import (
    BATCH,
    EPOCHS,
    STEPS,
    Stopped,
    ToyBatches,
    accuracy,
    checkpoint,
    in_two_processes,
    run_toy,
    sgd,
    toy_network,
    toy_plan,
    weights,
)
from tests.oracles.one_device import OneDevice

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def fabric():
    fabric = make_fabric(CPU)
    fabric.launch()
    return fabric


@pytest.fixture(scope="module")
def uninterrupted(fabric, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    return *run_toy(fabric, folder), folder


def test_it_learns_and_tells_every_epoch(uninterrupted):
    network, history, _ = uninterrupted
    assert [epoch.number for epoch in history] == [0, *range(1, EPOCHS + 1)]
    assert [epoch.measured for epoch in history] == [{"seen": number} for number in range(EPOCHS + 1)]
    losses = [epoch.loss for epoch in history[1:]]
    assert history[0].loss is None
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.7 * losses[0]
    assert history[-1].metrics["accuracy"] > 0.9
    assert network.training


def test_the_loop_does_what_a_bare_one_does(fabric, tmp_path):
    """With torch's own scheduler, no Fabric and no checkpoints."""
    network, history = run_toy(fabric, tmp_path, toy_network(batch_norm=False))
    bare, batches, loss = toy_network(batch_norm=False), ToyBatches(), nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = sgd(bare)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, EPOCHS * STEPS, cycle_momentum=False)
    losses = []
    for epoch in range(EPOCHS):
        for images, labels in batches.epoch(epoch):
            optimizer.zero_grad()
            value = loss(bare(images), labels)
            value.backward()
            optimizer.step()
            losses.append(value.item())
            if len(losses) < EPOCHS * STEPS:
                schedule.step()
    torch.testing.assert_close(weights(network), weights(bare), rtol=1e-5, atol=1e-7)
    expected = torch.tensor(losses).reshape(EPOCHS, STEPS).mean(1).tolist()
    assert [epoch.loss for epoch in history[1:]] == pytest.approx(expected, rel=1e-5)
    right = [(bare.eval()(x).argmax(1) == y).float().mean() for x, y in ToyBatches(seed=1).epoch(0)]
    assert history[-1].metrics["accuracy"] == pytest.approx(float(torch.stack(right).mean()))


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


def test_the_best_weights_are_those_of_the_best_epoch(fabric, tmp_path):
    weights_of_epochs = {}

    def on_epoch(network, epoch):
        weights_of_epochs[epoch] = weights(network)
        return {}

    _, history = run_toy(fabric, tmp_path, on_epoch=on_epoch, learning_rate=lambda step: 0.2 if step < STEPS else 10.0)
    best = best_epoch(history, "accuracy")
    assert best.number < EPOCHS
    network = toy_network()
    load_weights(network, best_weights(fabric, tmp_path))
    assert torch.equal(weights(network), weights_of_epochs[best.number])


def test_of_equally_good_epochs_the_first_is_best_and_the_untrained_one_never():
    history = [Epoch(number, None, {"accuracy": value}, {}) for number, value in enumerate([0.9, 0.1, 0.4, 0.4])]
    assert best_epoch(history, "accuracy").number == 2


def test_a_batch_in_parts_gives_the_same_step(fabric):
    batches = ToyBatches(batch_size=10, dtype=torch.float64)
    images, labels = next(batches.epoch(0))
    stepped = []
    for accumulate in (1, 2, 3, 10):
        network = toy_network(batch_norm=False, dtype=torch.float64)
        model, optimizer = fabric.setup(network, sgd(network))
        losses = [
            training_step(fabric, model, optimizer, nn.CrossEntropyLoss(), images, labels, accumulate) for _ in "twice"
        ]
        stepped.append((weights(network), torch.stack(losses).double()))
    for outcome in stepped[1:]:
        torch.testing.assert_close(outcome[0], stepped[0][0], rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(outcome[1], stepped[0][1], rtol=1e-6, atol=0)


def test_calibration_is_the_plain_average_over_batches():
    network, batches, count = toy_network(), ToyBatches(), 3
    network(10 + batches.images)  # what the layer has seen before is forgotten
    before = weights(network)
    network.eval()
    calibrate(network, batches, count, CPU)
    norm = network[1]
    features = [network[0](images) for images, _ in list(batches.epoch(0))[:count]]
    means = torch.stack([f.mean((0, 2, 3)) for f in features]).mean(0)
    variances = torch.stack([f.var((0, 2, 3)) for f in features]).mean(0)
    torch.testing.assert_close(norm.running_mean, means, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(norm.running_var, variances, rtol=1e-5, atol=1e-6)
    assert norm.momentum == 0.1
    assert not network.training
    changed = weights(network) != before
    assert changed.sum() == 2 * 8 + 1  # and the number of batches


def test_a_network_in_eval_mode_is_trained_all_the_same(uninterrupted, fabric, tmp_path):
    network, history = run_toy(fabric, tmp_path, toy_network().eval())
    assert history == uninterrupted[1]
    assert not network.training


def test_training_leaves_the_global_random_state_alone(fabric, tmp_path):
    network = toy_network()
    state = torch.get_rng_state()
    run_toy(fabric, tmp_path, network)
    assert torch.equal(torch.get_rng_state(), state)


def test_evaluation_sees_every_image_once_in_eval_mode(fabric):
    network, batches = toy_network(), ToyBatches(images=37, batch_size=37, seed=1)
    at_once = evaluate(fabric, network, ToyBatches(images=37, batch_size=37, seed=1), accuracy())
    assert network.training
    right = (network.eval()(batches.images).argmax(1) == batches.labels).float().mean()
    assert at_once == {"accuracy": pytest.approx(float(right))}


@pytest.mark.parametrize("batch_norm", [True, False])
def test_a_training_step_never_mixes_devices(batch_norm, fabric):
    network = toy_network(batch_norm).to("meta")
    model, optimizer = fabric.setup(network, sgd(network), move_to_device=False)
    images, labels = torch.empty(4, 3, 6, 6, device="meta"), torch.zeros(4, dtype=torch.long, device="meta")
    weighted = nn.CrossEntropyLoss(torch.ones(2, device="meta"), ignore_index=1, label_smoothing=0.1)
    with OneDevice() as guard:
        loss = training_step(fabric, model, optimizer, weighted, images, labels, accumulate=2)
    assert loss.device.type == "meta"
    assert guard.seen == {"meta"}


def test_the_guard_finds_loss_weights_that_forgot_their_device(fabric):
    network = toy_network().to("meta")
    model, optimizer = fabric.setup(network, sgd(network), move_to_device=False)
    images, labels = torch.empty(4, 3, 6, 6, device="meta"), torch.zeros(4, dtype=torch.long, device="meta")
    with OneDevice(), pytest.raises(RuntimeError, match=r"mixes devices|same device"):
        training_step(fabric, model, optimizer, nn.CrossEntropyLoss(torch.ones(2)), images, labels)


def the_error(fabric, folder, **changes) -> str:
    with pytest.raises(InvalidInput) as caught:
        run_toy(fabric, folder, **changes)
    (line,) = str(caught.value).splitlines()
    return line


def test_a_checkpoint_of_other_settings_is_refused_and_the_keys_are_named(fabric, tmp_path):
    run_toy(fabric, tmp_path, settings={"width": 16, "shift": 4, "seed": 1})
    before = (tmp_path / LAST).read_bytes()
    line = the_error(fabric, tmp_path, settings={"width": 32, "shift": 4, "images": 7}, epochs=EPOCHS + 1)
    for part in (str(tmp_path / LAST), "width=16 there, 32 here", "images=None there, 7 here", "seed=1 there"):
        assert part in line
    assert f"epochs={EPOCHS} there, {EPOCHS + 1} here" in line
    assert "shift" not in line
    assert (tmp_path / LAST).read_bytes() == before


def test_a_checkpoint_of_another_network_is_refused(fabric, tmp_path):
    run_toy(fabric, tmp_path)
    line = the_error(fabric, tmp_path, network=toy_network(batch_norm=False))
    assert f"{tmp_path / LAST} does not fit the network" in line


def test_a_damaged_checkpoint_is_named(fabric, tmp_path):
    run_toy(fabric, tmp_path)
    path = tmp_path / LAST
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"no checkpoint at all"):
        path.write_bytes(damaged)
        assert f"{path} is damaged" in the_error(fabric, tmp_path)


def test_a_file_with_code_in_it_is_not_run(fabric, tmp_path):
    torch.save({"settings": Path("x"), "network": print}, tmp_path / LAST)
    assert f"{tmp_path / LAST} is damaged" in the_error(fabric, tmp_path)


def test_any_other_file_is_no_checkpoint(fabric, tmp_path):
    torch.save({"network": {}}, tmp_path / LAST)
    assert the_error(fabric, tmp_path) == f"{tmp_path / LAST} is not the checkpoint of a training"


def test_half_precision_weights_are_those_of_the_network_to_three_digits():
    network, reader = toy_network(), toy_network()
    nn.init.normal_(network[1].running_mean, generator=torch.Generator().manual_seed(5))
    network[1].num_batches_tracked.fill_(70001)  # more than float16 can hold
    load_weights(reader, half_precision_weights(network))
    for (name, value), saved in zip(network.state_dict().items(), reader.state_dict().values(), strict=True):
        assert saved.dtype == value.dtype
        exact = value.half().to(value.dtype) if value.is_floating_point() else value
        assert torch.equal(saved, exact), name
        torch.testing.assert_close(saved, value, rtol=1 / 2048, atol=1e-7)


def test_best_weights_that_are_missing_or_do_not_fit_are_named(fabric, tmp_path):
    with pytest.raises(InvalidInput, match=r"best.safetensors is missing: no epoch is finished"):
        best_weights(fabric, tmp_path)
    for content in (b"nonsense", safetensors.torch.save({"other": torch.zeros(1)})):
        with pytest.raises(InvalidInput, match="do not fit the network"):
            load_weights(toy_network(), content)


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


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_running_out_of_memory_names_the_batch(error, fabric, tmp_path):
    def loss(outputs, targets):
        raise error

    line = the_error(fabric, tmp_path, loss=loss)
    assert "out of memory in epoch 1, step 1 of 5: a batch of 8 images of 6 x 6" in line
    assert "batch_size" in line
    assert "accumulate" in line


@pytest.mark.parametrize("network", [nn.Linear(5, 2), nn.Identity()])
def test_a_network_that_does_not_fit_its_images_or_metrics_is_one_line_with_its_cause(network, fabric):
    with pytest.raises(
        InvalidInput, match=r"^the network, or its metrics, fail on images \[\d+, 3, 6, 6\]: .+"
    ) as caught:
        evaluate(fabric, network, toy_plan().validation, accuracy())
    assert caught.value.__cause__ is not None


def test_another_error_keeps_its_traceback(fabric, tmp_path):
    def loss(outputs, targets):
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        run_toy(fabric, tmp_path, loss=loss)


@pytest.mark.parametrize("name", ["epochs", "accumulate", "calibration", "checkpoint_steps"])
def test_a_plan_that_cannot_be_followed_is_refused(name):
    with pytest.raises(InvalidInput, match=f"{name}=0: allowed"):
        toy_plan(**{name: 0})


def test_progress_is_shown_for_what_is_left_of_an_epoch(fabric, tmp_path):
    descriptions = []

    def progress(batches, description, total):
        descriptions.append((description, total))
        return batches

    with pytest.raises(Stopped):
        run_toy(fabric, tmp_path, batches=ToyBatches(stop_before=(1, 3)))
    network = toy_network()
    list(train(fabric, network, sgd(network), toy_plan(), tmp_path, lambda network, epoch: {"seen": epoch}, progress))
    assert descriptions == [("epoch 2 of 3", STEPS - 2), ("epoch 3 of 3", STEPS)]


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


def test_weights_and_images_are_channels_last(fabric, tmp_path):
    layouts = []

    class Spy(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = toy_network()

        def forward(self, images):
            layouts.append(self.network[0].weight.is_contiguous(memory_format=torch.channels_last))
            return self.network(images)

    run_toy(fabric, tmp_path, Spy())
    assert all(layouts)
