"""Images of a batch that mix in a network are found, by poisoning one with NaN, and measured one at a time."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import erf
from erf import InvalidInput
from erf.reachability.mixing import mixes_images
from tests.erf.hard_cases import Forward

SENTENCE = "the images of a batch mix in this network: each was measured alone, as in a batch of its own"


def attention(x):
    """Every position attends to the same position of all images."""
    tokens = x.permute(2, 3, 0, 1).flatten(0, 1)
    mixed = F.scaled_dot_product_attention(tokens, tokens, tokens)
    return mixed.unflatten(0, x.shape[2:]).permute(2, 3, 0, 1)


def between(x):
    """Images are compared in pairs."""
    features = x.flatten(1)
    return x * (features @ features.T).mean(1).view(-1, 1, 1, 1)


MIXED = {
    "mean": lambda x: x.mean(0, keepdim=True).expand_as(x),
    "centered": lambda x: x - x.mean(0, keepdim=True),
    "batch statistics": lambda x: F.batch_norm(x, None, None, training=True),
    "sum of all": lambda x: x / x.sum(),
    "largest of all": lambda x: x / x.abs().amax(),
    "deviation": lambda x: x * x.std(0, keepdim=True).mean(),
    "attention": attention,
    "pairs": between,
    "softmax": lambda x: x.softmax(0),
    "other way round": lambda x: x + x.flip(0),
    "the neighbour's": lambda x: x.roll(1, 0),
    "the first image's": lambda x: x[:1].expand_as(x),
    "by index": lambda x: x[torch.arange(len(x) - 1, -1, -1)],
    "running sum": lambda x: x.cumsum(0),
    "sorted": lambda x: x.sort(0).values,
    "flat": lambda x: F.conv1d(x.flatten()[None, None], torch.ones(1, 1, 3, dtype=x.dtype, device=x.device), padding=1)
    .view_as(x),
    "as channels": lambda x: x.flatten(0, 1)[None].softmax(1).view_as(x),
    "written": lambda x: torch.cat([x, x]).index_add_(0, torch.tensor([0, 1]), x.flip(0))[: len(x)],
    "matrix": lambda x: torch.einsum("nm,mchw->nchw", torch.ones(len(x), len(x), dtype=x.dtype, device=x.device), x),
}  # fmt: skip
APART = {
    "nothing": lambda x: x,
    "own mean": lambda x: x - x.mean((1, 2, 3), keepdim=True),
    "instance norm": F.instance_norm,
    "one by one": lambda x: torch.stack([image.relu() for image in x]),
    "tokens first": lambda x: x.flatten(2).permute(2, 0, 1).softmax(-1).permute(1, 2, 0).view_as(x),
    "with the channels": lambda x: F.conv2d(x.flatten(0, 1)[:, None], x.new_ones(1, 1, 3, 3), padding=1).view_as(x),
    "windows": lambda x: x.unflatten(3, (3, 3)).permute(0, 3, 1, 2, 4).flatten(0, 1).softmax(-1)
    .unflatten(0, (-1, 3)).permute(0, 2, 3, 1, 4).flatten(3),
    "twice": lambda x: torch.cat([x, x])[: len(x)],
    "as it stands": lambda x: x[torch.arange(len(x))],
    "groups": lambda x: F.conv2d(x.flatten(0, 1)[None], x.new_ones(x.shape[0] * x.shape[1], 1, 3, 3), padding=1,
                                 groups=x.shape[0] * x.shape[1]).view_as(x),
}  # fmt: skip


def made(forward):
    torch.manual_seed(0)
    return Forward(lambda x, conv: forward(conv(x)), nn.Conv2d(1, 2, 3, padding=1)).double().eval()


def drawn(count=3):
    return torch.randn(count, 1, 9, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("forward", (MIXED | APART).values(), ids=MIXED | APART)
def test_images_mix_where_a_poisoned_one_reaches_another(forward):
    network, images = made(forward), drawn(2)
    reached = []
    for poisoned in (0, 1):
        damaged = images.clone()
        damaged[poisoned] = torch.nan
        with torch.no_grad():
            reached.append(bool(network(damaged)[1 - poisoned].isnan().any()))
    assert mixes_images(network, images, [None]) == any(reached)


@pytest.mark.parametrize("name", ["centered", "attention", "other way round", "batch statistics"])
def test_the_map_of_a_batch_is_that_of_its_images_alone(name):
    network, images = made(MIXED[name]), drawn()
    imap = erf.effective_receptive_field(network, images)
    singly = [
        erf.effective_receptive_field(network, image, first_sample=number)
        for number, image in enumerate(images.split(1))
    ]
    merged = singly[0].merge(singly[1]).merge(singly[2])
    np.testing.assert_allclose(imap.values, merged.values, rtol=1e-12, atol=1e-15)
    assert SENTENCE in imap.diagnostics
    assert all(SENTENCE not in each.diagnostics for each in singly)


def test_a_network_that_keeps_images_apart_is_measured_at_once():
    imap = erf.effective_receptive_field(made(APART["own mean"]), drawn())
    assert SENTENCE not in imap.diagnostics


def test_norms_without_running_statistics_mix_in_eval_mode_too():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False), nn.Conv2d(2, 2, 1))
    maps = erf.effective_receptive_field(network.double(), drawn(), ["0", "2"])
    assert SENTENCE in maps["2"].diagnostics
    assert SENTENCE not in erf.effective_receptive_field(network, drawn(), "0").diagnostics
    assert SENTENCE not in erf.effective_receptive_field(network, drawn(), mode="as_is").diagnostics


def test_the_signed_influence_of_mixed_images_is_refused():
    network = made(MIXED["mean"])
    with pytest.raises(InvalidInput, match="the images of a batch mix in this network: measure them one at a time"):
        erf.influence(network, drawn())
    assert erf.influence(network, drawn(1)).any()
