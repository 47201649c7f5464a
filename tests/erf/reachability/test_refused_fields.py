"""What has no theoretical receptive field is one clear error."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from erf.errors import InvalidInput
from erf.reachability.receptive_field import theoretical_receptive_field
from tests.erf.hard_cases import Forward


def test_a_layer_whose_output_is_empty_has_no_units():
    network = nn.Sequential(nn.Conv2d(3, 2, 3), Forward(lambda x: x[:, :, :0]))
    with pytest.raises(
        InvalidInput, match=r"network's output .* no units .*: its output on an image of \[20, 20\] .* empty"
    ):
        theoretical_receptive_field(network, (20, 20))


CONV = nn.Conv2d(3, 3, 3)
BAD = {
    "unknown layer": ({"layer": "layer5"}, r"layer 'layer5' is not in ResNet; nearest names: .*layer4"),
    "unit outside": ({"layer": "layer4", "unit": (2, 0)}, r"unit \(2, 0\) is outside the grid.*\(2, 2\)"),
    "negative unit": ({"layer": "layer4", "unit": (-1, 0)}, r"is outside the grid"),
    "unit of another number of axes": ({"layer": "layer4", "unit": (1,)}, r"unit \(1,\) is outside the grid"),
    "no spatial axes": ({"layer": "fc", "unit": (0, 0)}, r"layer 'fc' has no spatial axes"),
    "wrong number of axes": ({"input_size": (64,)}, r"does not run on an input \[N, 3, 64\]"),
    "too many axes": ({"input_size": (1, 2, 3, 4)}, r"input_size=\(1, 2, 3, 4\): .* one for each of 1, 2 or 3 axes"),
    "empty axis": ({"input_size": (0, 64)}, r"input_size=\(0, 64\): allowed are whole numbers from 1"),
    "runs more than once": ({"layer": "layer1.0.relu"}, r"'layer1.0.relu' runs 2 times"),
    "unknown mode": ({"mode": "train"}, r"mode is 'eval' or 'as_is', not 'train'"),
    "wrong channels": ({"channels": 4}, r"does not run on an input \[N, 4, 64, 64\]"),
}


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD)
def test_bad_arguments_are_one_clear_error(options: dict, message: str) -> None:
    with torch.device("meta"):
        network = models.resnet18()
    with pytest.raises(InvalidInput, match=message):
        theoretical_receptive_field(network, **({"input_size": (64, 64)} | options))


BAD_NETWORKS = {
    "several outputs": (Forward(lambda x, conv: {"a": conv(x), "b": x}, CONV), r"2 outputs"),
    "unused layer": (Forward(lambda x, conv: x, CONV), r"layer 'layers.0' runs 0 times"),
    "unknown channels": (nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), r"pass channels="),
    "lazy": (nn.Sequential(CONV, nn.LazyConv2d(2, 3)), r"lazy modules"),
    "nothing reaches it": (Forward(lambda x, conv: torch.zeros_like(conv(x)), CONV), r"no input pixel reaches"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
@pytest.mark.parametrize(("network", "message"), BAD_NETWORKS.values(), ids=BAD_NETWORKS)
def test_networks_without_an_exact_answer_are_one_clear_error(network: nn.Module, message: str) -> None:
    layer = "layers.0" if "layers.0" in message else None
    with pytest.raises(InvalidInput, match=message):
        theoretical_receptive_field(network, (8, 8), layer)


def test_several_outputs_name_the_arguments_that_choose_one() -> None:
    class Pair(nn.Module):
        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            return images, images

    with pytest.raises(
        InvalidInput, match=r"has 2 outputs: .*layer=\.\.\., or layers=\.\.\. of erf.measure.*call="
    ) as error:
        theoretical_receptive_field(Pair(), 8, channels=1)
    assert "\n" not in str(error.value)
