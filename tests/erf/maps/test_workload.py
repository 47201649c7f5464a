"""Convolutions' outputs are weighed against their weights, counted by hand."""

import pytest
import torch
from torch import nn

from erf.maps.cropping import crops
from erf.maps.folding import Fold
from erf.maps.workload import Workload
from tests.erf.hard_cases import Forward


def network(last=64):
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.Conv2d(8, last, 3, padding=1)
    return nn.Sequential(*layers, nn.Linear(12, 10**5))


@pytest.mark.parametrize("layer", ["1", "2", "3", "4"])
def test_counts_by_hand(layer):
    made = network(last=6400)
    passed, parts = crops(made, (12, 12), 3, [layer], [None])
    weights = 216 + (64 if layer > "1" else 0) + (8 * 6400 * 9 if layer > "2" else 0)
    outputs = 144 * (8 + (8 if layer > "1" else 0) + (6400 if layer > "2" else 0))
    for images in (1, 2, 3, 100):
        assert Workload.of(made, passed, parts).outweighs_weights(images) == (2 * images * outputs >= weights)


def test_images_and_crops_count():
    heavy = Forward(lambda x, a, b: b(a(x)), nn.Conv2d(1, 200, 5), nn.Conv2d(200, 200, 5))
    passed, parts = crops(heavy, (40, 40), 1, [None], [None])
    weights, outputs = 25 * 200 * 201, 200 * (36**2 + 32**2)
    (crop,) = parts
    assert [Workload.of(heavy, passed, parts).outweighs_weights(images) for images in (1, 2)] == [
        2 * images * outputs >= weights for images in (1, 2)
    ]
    small = type(crop)(((10, 19), (10, 19)), crop.probes)
    share = 81 / 1600
    for images in (1, 20, 22, 23, 100):
        assert Workload.of(heavy, passed, [small]).outweighs_weights(images) == (
            2 * images * share * outputs >= weights
        )


def test_without_convolutions_there_is_nothing_to_spare():
    made = nn.Sequential(nn.ReLU())
    assert Workload.of(made, *crops(made, (8, 8), 1, [None], [None])).outweighs_weights(1)


@pytest.mark.parametrize("layer", ["1", "3"])
def test_each_convolution_pays_by_itself_if_it_runs(layer):
    made = network()
    passed, parts = crops(made, (12, 12), 3, [layer], [None])
    norm = nn.BatchNorm2d(8)
    folds = [Fold(layer, norm) for layer in made if isinstance(layer, nn.Conv2d)]
    for images in (0, 1, 100):
        workload = Workload.of(made, passed, parts)
        values = [2 * images * 144 * channels for channels in (8, 8, 64)]
        run = [True, layer > "1", layer > "1"]
        weights = [216, 64, 4608]
        pays = [own and of >= weight for own, of, weight in zip(run, values, weights, strict=True)]
        assert [workload.pays(fold, images) for fold in folds] == pays
