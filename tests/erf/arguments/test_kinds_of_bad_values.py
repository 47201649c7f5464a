"""Values that a campaign found to end in another exception, to be taken for others, or to take long to refuse."""

# pyright: reportArgumentType=false, reportCallIssue=false
# as bad values are what it is about

import time
from collections import deque
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

import erf
from erf import InvalidInput, inits, theory, training
from erf.data import camvid
from erf.metrics.comparison import Comparison
from erf.networks.attention_stack import Block, stack_with
from erf.networks.camvid_frontend import upsample
from erf.networks.conv_stack import ConvStack
from erf.networks.residual_stack import ResidualStack
from erf.training import batch_norm, checkpoints
from tests.campaign.bad_values import Contrary, Raises, Turns
from tests.erf.data.tiny_sets import camvid_folder
from tests.erf.public_calls.valid import a_map, fabric
from tests.erf.toy_training import sgd, toy_network, toy_plan

CONV, IMAGES = nn.Conv2d(1, 2, 3), torch.ones(2, 1, 7, 7)
META = nn.Conv2d(1, 2, 3, device="meta")
NO_DIMENSION = np.array(3.0)
EXPANDED = torch.zeros(1).expand(4, 2, 3, 3)


def trained(network=None, folder="here"):
    network = network or toy_network()
    return list(training.train(fabric(), network, sgd(network), toy_plan(epochs=1), folder))


CALLS = {
    "no image": (lambda: erf.influence(CONV, IMAGES[:0]), "images: there are none"),
    "images that cannot be gone through": (lambda: erf.effective_receptive_field(CONV, Contrary()), "images=Contrary"),
    "an array without dimensions": (lambda: erf.measure(CONV, NO_DIMENSION), "images=ndarray"),
    "an empty batch": (lambda: erf.measure(CONV, [[]]), r"images=\[\]"),
    "a batch without dimensions": (
        lambda: batch_norm.calibrate_batch_norm_(nn.BatchNorm2d(1), NO_DIMENSION), "images=ndarray"
    ),
    "a unit that cannot be compared": (lambda: erf.effective_receptive_field(CONV, IMAGES, unit=Contrary()), "grid"),
    "a mode without a text": (lambda: erf.theoretical_receptive_field(CONV, 9, mode=Contrary()), "not Contrary"),
    "a box without a length": (lambda: a_map(trf_box=Contrary()), "trf_box=Contrary"),
    "more pixels than torch counts": (lambda: theory.expected_map(CONV, (10**9, 10**9)), "input_size=.*up to"),
    "more pixels than there is memory": (lambda: theory.expected_sigma(CONV, 10**6), "out of memory for images of 10"),
    "a kernel without memory": (lambda: inits.center_low_profile((10**9, 10**9), 0.5), "out of memory for a kernel"),
    "logits without memory": (lambda: upsample(IMAGES, (10**9, 10**9)), "out of memory for logits"),
    "sparse logits": (lambda: upsample(IMAGES.to_sparse(), (100, 100)), "logits: .* dense"),
    "a number that no float holds": (lambda: erf.Residual([erf.ConvLayer(3)], gain=10**400), "gain=int"),
    "likewise of a stack": (lambda: ResidualStack(3, 2, gain=10**400), "gain=int"),
    "True among numbers": (lambda: a_map(center=(True, 1)), "center"),
    "axes of sigma": (lambda: Comparison((3,), (1,), (False,), (), sigma=((0, 3), (0, 3))), "sigma=.* each axis"),
    "bytes as sizes": (lambda: inits.center_low_profile(b"xx", 0.5), "kernel_size=b'xx'"),
    "a deque as sizes": (lambda: inits.center_low_profile(deque([3, 3]), 0.5), "kernel_size=deque"),
    "sparse weights": (lambda: inits.fill_(CONV.weight.detach().to_sparse(), "he_normal"), "weight: .* dense"),
    "weights that share places": (lambda: inits.fill_(EXPANDED, "he_normal"), "weight=.* expanded"),
    "no layer's weights": (lambda: inits.fill_layers_(torch.ones(3), "he_normal"), "weights=Tensor"),
    "a network's own KeyError": (lambda: erf.compatibility.openerf_map(Raises(), IMAGES), "does not run"),
    "complex features": (lambda: erf.compatibility.replknet_map(Turns(), IMAGES), "complex"),
    "a network of volumes": (lambda: theory.expected_sigma(nn.Conv3d(1, 1, 1), 7), "closed form|does not run"),
    "a device without values": (lambda: erf.measure(CONV, IMAGES, device=torch.device("meta")), "device=meta"),
    "a fabric without a device": (lambda: training.make_fabric(torch.device("meta")), "device=meta"),
    "a training of volumes": (lambda: trained(nn.Conv3d(1, 1, 1)), "'weight' of the network"),
    "a training without values": (lambda: trained(META), "meta device"),
    "weights without values": (lambda: checkpoints.half_precision_weights(META), "meta device"),
    "a device as a folder": (lambda: trained(folder="/dev/null"), "/dev/null is no folder"),
    "a name that is too long": (lambda: trained(folder=300 * "x"), "folder="),
    "a path that is too long": (lambda: camvid.is_in(1000 * "abcd/"), "folder="),
    "a tensor as a metric": (lambda: training.Epoch(0, None, {"loss": IMAGES}, {}), "'loss'"),
    "weights from anywhere": (lambda: stack_with(ConvStack(2, 2), Block.none, 1, 9, None), "generator=None"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CALLS)
def test_it_is_one_line(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, words = CALLS[kind]
    with pytest.raises(InvalidInput, match=words):
        call()


def test_a_box_of_a_large_array_is_refused_at_once():
    begin = time.process_time()
    with pytest.raises(InvalidInput, match="trf_box=ndarray"):
        a_map(trf_box=np.broadcast_to(1.0, (10**4, 10**4)))
    assert time.process_time() - begin < 1


def test_data_are_not_copied_over_others(tmp_path):
    camvid_folder(source := tmp_path / "source")
    (target := tmp_path / "target").mkdir()
    camvid.copy(source, target)
    with pytest.raises(InvalidInput, match="there is train already"):
        camvid.copy(source, target)


@pytest.mark.parametrize(
    ("same", "other"),
    [
        (lambda: inits.center_low_profile((3, 3), Fraction(1, 2)), lambda: inits.center_low_profile((3, 3), 0.5)),
        (
            lambda: erf.effective_receptive_field(CONV, IMAGES, batch_size=np.int8(1)).values,
            lambda: erf.effective_receptive_field(CONV, IMAGES, batch_size=1).values,
        ),
    ],
)
def test_numbers_of_other_types_are_the_numbers(same, other):
    assert (same() == other()).all()


def test_a_seed_may_have_any_number_of_digits():
    assert erf.check(CONV, 9, seed=10**30)
