"""ResNet-50's maps against the tools that measure such maps: RepLKNet's procedure, OpenERF and captum."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import resnet50

from erf import effective_receptive_field
from erf.compatibility import openerf_map, replknet_map
from erf.errors import extra
from erf.maps.layer_outputs import layer_outputs
from erf.maps.mean_scores import BATCH
from erf.training.batch_norm import calibrate_batch_norm_
from experiments.harness.environment import Environment
from scripts.benchmarks.case import SHORT_TURNS, Case, difference, time_both
from scripts.benchmarks.limit import operations_of_an_image

with extra("benchmark"):
    import openerf
    from captum.attr import NeuronGradient
    from openerf.data import build_timm_eval_transform

SEED = 0
TOLERANCE, GATED_TOLERANCE = 1e-9, 1e-2  # relative L2 in float64, and in float32 where gates within rounding of 0 flip
LAYERS = ("layer1", "layer2", "layer3", "layer4")
ALTERNATIVE_ALONE = "RepLKNet's procedure"  # begins the name of the case that times nothing of ours


def time_resnet50(
    large: int, large_images: int, small: int, small_images: int, repetitions: int, environment: Environment
) -> Iterator[Case]:
    """Yield the cases at two image sizes in pixels, each with maps that are averages over so many images."""
    network, random = drawn_resnet50(), torch.Generator().manual_seed(SEED)
    time = partial(time_both, repetitions=repetitions, environment=environment)
    title = f"ResNet-50, {large} px, {{}}, {large_images} images, against RepLKNet's procedure"
    big = torch.randn(large_images, 3, large, large, generator=random)
    for layer in LAYERS:
        pair = Pair(replknet_map, replknet_procedure, network, big, layer)
        yield pair.case(time, title.format(layer), pair.operations())
    pair = Pair(replknet_procedure, plain_gradient, network, big, "layer2")
    yield pair.case(time, f"{ALTERNATIVE_ALONE}, {large} px, layer2, {large_images} images, against autograd.grad")
    title = f"ResNet-50, {small} px, {{}}, {small_images} images, against {{}}"
    little = torch.randn(small_images, 3, small, small, generator=random)
    time = partial(time_both, repetitions=SHORT_TURNS * repetitions, environment=environment)
    neuron = Neuron.largest(network, little, "layer4")
    pair = Pair(neuron.ours, neuron.captums, network, little, "layer4")
    yield pair.case(time, title.format("layer4", "captum"), pair.operations())
    network.pretrained_cfg = {"input_size": (3, small, small)}  # read by OpenERF
    with TemporaryDirectory() as folder:
        draw_pictures(Path(folder), small, small_images)
        for layers in (LAYERS[-1:], LAYERS):
            ours, theirs = (partial(measure, network, folder, layers) for measure in (maps_of_pictures, openerf_maps))
            name = title.format(" ".join(layers), "OpenERF")
            yield time(name, ours, theirs, difference=difference(name, ours(), theirs(), GATED_TOLERANCE))


@dataclass(frozen=True)
class Pair:
    """Two ways to measure one layer of a network, compared in float64, where no gate flips, and timed in float32."""

    ours: Callable[[nn.Module, Tensor, str], np.ndarray]
    theirs: Callable[[nn.Module, Tensor, str], np.ndarray]
    network: nn.Module
    images: Tensor
    layer: str

    def case(self, time: Callable[..., Case], name: str, operations: int | None = None) -> Case:
        """Compare the maps of one image and time those of all."""
        precise = copy.deepcopy(self.network).double(), self.images[:1].double(), self.layer
        differing = difference(name, self.ours(*precise), self.theirs(*precise), TOLERANCE)
        ours, theirs = (partial(way, self.network, self.images, self.layer) for way in (self.ours, self.theirs))
        return time(name, ours, theirs, difference=differing, operations=operations)

    def operations(self) -> int:
        """Return those of ours, on its crops and cones, of all images."""
        of_one = operations_of_an_image(lambda images: self.ours(self.network, images, self.layer), self.images)
        return len(self.images) * of_one


def drawn_resnet50() -> Any:
    """Return torchvision's network with drawn weights, its batch norms with the statistics of some noise."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = resnet50(weights=None)
        calibrate_batch_norm_(network, torch.randn(8, 3, 64, 64))
    return network.eval()


def noise(count: int, side: int) -> Tensor:
    """Return the images ``[count, 3, side, side]``, of normal pixels."""
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(SEED))


def replknet_procedure(network: nn.Module, images: Tensor, layer: str) -> np.ndarray:
    """Return the mean over images of the scores of RepLKNet's script, written anew; nothing runs after the layer."""
    scores = np.zeros(images.shape[2:])
    for image in images:
        pixels = image[None].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(_center(network, pixels, layer), pixels)
        scores = scores + gradient.clamp(min=0).sum((0, 1)).numpy()
    return scores / len(images)


def plain_gradient(network: nn.Module, images: Tensor, layer: str) -> np.ndarray:
    """Return the same from the bare gradients, to show that the procedure takes no longer than they do."""
    leaves = [image[None].clone().requires_grad_() for image in images]
    gradients = [torch.autograd.grad(_center(network, pixels, layer), pixels)[0] for pixels in leaves]
    return torch.cat(gradients).clamp(min=0).sum(1).mean(0).numpy()


def _center(network: nn.Module, pixels: Tensor, layer: str) -> Tensor:
    features = pixels
    for name, module in network.named_children():
        features = module(features)
        if name == layer:
            break
    return features[..., features.shape[2] // 2, features.shape[3] // 2].relu().sum()


@dataclass(frozen=True)
class Neuron:
    """A channel at the middle of a layer: its influence, averaged with its sign, by us and by captum."""

    channel: int
    middle: tuple[int, int]

    @staticmethod
    def largest(network: nn.Module, images: Tensor, layer: str) -> Neuron:
        """Return the largest at the first image: many others are 0 after ReLU, with all of their influence."""
        features = layer_outputs(network, images[:1], [layer])[layer][0].detach()
        row, column = (side // 2 for side in features.shape[1:])
        return Neuron(int(features[:, row, column].argmax()), (row, column))

    def ours(self, network: nn.Module, images: Tensor, layer: str) -> np.ndarray:
        """Return ``[H, W]``."""
        imap = effective_receptive_field(
            network, images, layer, self.middle, statistic="signed_mean", aggregation=self.channel
        )
        return imap.values

    def captums(self, network: nn.Module, images: Tensor, layer: str) -> np.ndarray:
        """Return the same, as many images in a batch as by us."""
        neurons = NeuronGradient(network, network.get_submodule(layer))
        unit = (self.channel, *self.middle)
        gradients = [neurons.attribute(batch.clone().requires_grad_(), unit) for batch in images.split(BATCH)]
        return torch.cat(gradients).detach().mean((0, 1)).numpy()


def draw_pictures(folder: Path, side: int, count: int) -> None:
    """Write pictures of noise, as OpenERF reads files."""
    random = np.random.default_rng(SEED)
    for number in range(count):
        Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(folder / f"{number}.png")


def maps_of_pictures(network: nn.Module, folder: str, layers: Sequence[str]) -> np.ndarray:
    """Return OpenERF's maps of all layers by our compatibility mode, of the pictures as OpenERF transforms them."""
    transform, _ = build_timm_eval_transform(network)
    pictures = (transform(Image.open(path, formats=("PNG",)))[None] for path in sorted(Path(folder).iterdir()))
    return np.concatenate(list(openerf_map(network, pictures, list(layers)).values()))


def openerf_maps(network: nn.Module, folder: str, layers: Sequence[str]) -> np.ndarray:
    """Return them by OpenERF, in a run for each layer."""
    measure = partial(openerf.compute_erf, network, image_dir=folder, device="cpu", show_progress=False)
    return np.concatenate([measure(target_layer=layer).erf_map for layer in layers])
