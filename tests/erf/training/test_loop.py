"""The training loop does what a bare one does, tells every epoch, and names what went wrong."""

import pytest
import torch
from torch import nn

from erf import InvalidInput
from erf.training.checkpoints import best_weights, load_weights
from erf.training.loop import calibrate, evaluate, train, training_step
from erf.training.plan import Epoch, best_epoch
from tests.erf.toy_training import (
    EPOCHS,
    STEPS,
    Stopped,
    ToyBatches,
    accuracy,
    run_toy,
    sgd,
    toy_network,
    toy_plan,
    weights,
)
from tests.erf.training.refused_training import the_error
from tests.oracles.one_device import OneDevice


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
    calibrate(network, batches, count, torch.device("cpu"))
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
