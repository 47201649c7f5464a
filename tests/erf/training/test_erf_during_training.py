import pytest
import torch
from torch import nn

import erf
from erf import ErfTracker, InvalidInput, effective_receptive_field, erf_size
from tests.erf.toy_training import ToyBatches, sgd, toy_network, weights


def train_plainly(tracker=None):
    """A loop as anyone writes it."""
    network, batches = toy_network(), ToyBatches()
    optimizer, loss = sgd(network), nn.CrossEntropyLoss()
    for epoch in range(2):
        for images, labels in batches.epoch(epoch):
            loss(network(images), labels).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
            if tracker is not None:
                tracker.measure(network, epoch)
    return network


def test_a_training_is_the_same_bit_by_bit_with_and_without_measuring():
    tracker = ErfTracker(ToyBatches(seed=1).images[:4], layer="0", unit=(1, 2))
    followed, alone = train_plainly(tracker), train_plainly()
    assert torch.equal(weights(followed), weights(alone))
    assert followed.training
    assert all(module.training for module in followed)
    assert len(tracker.maps) == len(tracker.sizes) == len(tracker.epochs) == 2 * ToyBatches().steps()


def test_it_keeps_what_the_library_measures():
    images, network = ToyBatches(seed=1).images[:4], toy_network()
    tracker = erf.ErfTracker(images, "0", (2, 1), "rms", "sum", "peak")
    imap = tracker.measure(network, 7)
    expected = effective_receptive_field(network, images, "0", (2, 1), "rms", "sum")
    assert tracker.maps == [imap]
    assert tracker.epochs == [7]
    assert imap.values.tolist() == expected.values.tolist()
    assert tracker.sizes == [erf_size(expected, "peak")]


def test_a_failed_measurement_leaves_nothing_behind():
    tracker = ErfTracker(ToyBatches().images[:2], layer="nowhere")
    with pytest.raises(InvalidInput, match="nowhere"):
        tracker.measure(toy_network(), 0)
    assert tracker.maps == tracker.sizes == tracker.epochs == []
