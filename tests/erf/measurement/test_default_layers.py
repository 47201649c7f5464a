from functools import partial

import pytest
import torch
from torch import nn
from torchvision import models

import erf
from erf import InvalidInput
from erf.maps.passes import Mode
from erf.measurement.default_layers import default_layers
from tests.erf.test_wrapped_networks import IMAGES, OUTPUTS, UNCHANGED
from tests.experiments import toy_networks

STAGES = ["layer1", "layer2", "layer3", "layer4"]


def layers_of(network, input_size=(224, 224), channels=3):
    return default_layers(network, input_size, channels, Mode.eval)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (models.resnet18, STAGES),
        (models.vgg11, ["features.9", "features.14", "features.19", "avgpool"]),
        (models.efficientnet_b0, ["features.2", "features.3", "features.5", "features"]),
        (models.convnext_tiny, ["features.1", "features.3", "features.5", "features"]),
    ],
)
def test_a_classifier_has_the_last_layer_of_each_coarse_resolution(network, expected):
    with torch.device("meta"):
        made = network()
    assert layers_of(made) == expected


class Pyramid(nn.Module):
    """Down twice without padding, then up again, with two outputs; one layer runs twice."""

    def __init__(self):
        super().__init__()
        self.first, self.down, self.bottom = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, stride=2), nn.Conv2d(4, 4, 3)
        self.relu, self.up, self.last = nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, 3)

    def forward(self, x):
        x = self.first(x)
        low = self.relu(self.bottom(self.down(x)))
        return self.relu(self.last(self.up(low))), low


def test_a_resolution_that_comes_back_has_its_last_layer_and_what_runs_twice_is_left_out():
    assert layers_of(Pyramid(), (64, 64)) == ["bottom", "last"]


def test_more_resolutions_than_four_are_the_coarsest_and_the_last_layer():
    down = [nn.MaxPool2d(2) for _ in range(6)]
    assert layers_of(nn.Sequential(*down), (128, 128)) == ["2", "3", "4", "5"]
    assert layers_of(nn.Sequential(*down, nn.Upsample(64)), (128, 128)) == ["2", "3", "4", "5", "6"]


def test_layers_of_one_unit_or_without_a_grid_are_left_out():
    assert layers_of(toy_networks.pooled(), (24, 24)) == ["0"]
    assert layers_of(nn.Sequential(nn.Flatten(), nn.Linear(48, 2)), (4, 4)) == []


def test_signals_and_videos_have_them_too():
    assert layers_of(toy_networks.signal(), (64,), 1) == ["3"]
    assert layers_of(toy_networks.video(), (5, 16, 12)) == ["2"]


def test_a_network_that_does_not_run_is_refused():
    with pytest.raises(InvalidInput, match="does not run on an input"):
        layers_of(toy_networks.make(), (24, 24), channels=5)


KINDS = {name: (make, None) for name, make in UNCHANGED.items() if "script" not in name}
KINDS |= {name: (partial(OUTPUTS.get, name), call) for name, (*_, call) in OUTPUTS.items()}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("make", "call"), KINDS.values(), ids=KINDS)
def test_networks_of_every_kind_have_layers_that_have_fields(make, call):
    made = make()
    network = made[0] if isinstance(made, tuple) else made
    names = default_layers(network, (8, 8), 3, Mode.eval, call)
    assert set(names) <= dict(network.named_modules()).keys()
    fields = erf.theoretical_receptive_field(network, 8, layer=names or [""], channels=3, call=call)
    assert all(field.size for field in fields.values())


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_a_scripted_part_is_none_of_them():
    measured = erf.measure(UNCHANGED["script of a part"](), IMAGES)
    assert "1" not in list(measured)
