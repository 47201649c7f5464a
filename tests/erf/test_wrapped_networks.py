"""Networks that are prepared for training, saving or speed, and outputs of every kind: they have fields and maps."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.ao.quantization as quantization
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from erf import InvalidInput, effective_receptive_field, theoretical_receptive_field
from tests.erf.hard_cases import Forward

IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def plain() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1)
    return nn.Sequential(*layers).eval()


def changed(change: Callable[[Any], object]) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        network = plain()
        change(network)
        return network

    return make


def around(forward: Callable[..., Any]) -> Callable[[], nn.Module]:
    return lambda: Forward(forward, plain())


class Symmetric(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return (weight + weight.flip(-1)) / 2


class Added(nn.Module):
    """A low rank that begins with 0."""

    def __init__(self) -> None:
        super().__init__()
        self.change = nn.Parameter(torch.zeros(1))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.change


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.within, self.last = plain(), nn.Conv2d(4, 2, 1).half()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.within(x).half()).float()


def hooked(network: Any) -> None:
    network[0].register_forward_hook(lambda module, inputs, output: output * 2)
    network[0].register_forward_pre_hook(lambda module, inputs: (inputs[0] * 2,))
    network[3].register_full_backward_hook(lambda module, inputs, outputs: None)


def prepared_to_be_quantized() -> nn.Module:
    network = plain().train()
    network.qconfig = quantization.get_default_qat_qconfig("fbgemm")
    return quantization.prepare_qat(network).eval()


UNCHANGED: dict[str, Callable[[], nn.Module]] = {  # the maps are those of the plain network
    "old weight norm": changed(lambda n: nn.utils.weight_norm(n[0])),
    "weight norm": changed(lambda n: parametrizations.weight_norm(n[3])),
    "weight norm, taken off": changed(lambda n: nn.utils.remove_weight_norm(nn.utils.weight_norm(n[0]))),
    "low rank added": changed(lambda n: parametrize.register_parametrization(n[0], "weight", Added())),
    "checkpointed in pieces": around(lambda x, n: checkpoint_sequential(n, 2, x, use_reentrant=False)),
    "checkpoint, reentrant, no random state": around(
        lambda x, n: checkpoint(n, x, use_reentrant=True, preserve_rng_state=False)
    ),
    "checkpoint that stops late": around(lambda x, n: checkpoint(n, x, use_reentrant=False, early_stop=False)),
    "last part checkpointed": around(
        lambda x, n: checkpoint(lambda y: n[3](n[2](n[1](y))), n[0](x), use_reentrant=True)
    ),
    "checkpoint in training alone": around(lambda x, n: checkpoint(n, x, use_reentrant=True) if n.training else n(x)),
    "parallel in parallel": lambda: nn.DataParallel(nn.DataParallel(plain())),
    "exponential average": lambda: torch.optim.swa_utils.AveragedModel(
        plain(), multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    ),
    "traced by fx": lambda: torch.fx.symbolic_trace(plain()),
    "fused": lambda: quantization.fuse_modules(plain(), ["0", "1"]),
    "frozen": lambda: plain().requires_grad_(False),
    "copied": lambda: copy.deepcopy(plain()),
    "pickled": lambda: pickle.loads(pickle.dumps(plain())),
    "double": lambda: plain().double(),
    "a forward of its own": changed(lambda n: setattr(n[2], "forward", lambda x: x.clamp(min=0))),
    "called with its parameters": around(lambda x, n: torch.func.functional_call(n, dict(n.named_parameters()), (x,))),
    "mapped over images": around(lambda x, n: torch.vmap(lambda image: n(image[None])[0])(x)),
    "frozen script": lambda: torch.jit.freeze(torch.jit.script(plain())),
    "script of a part": lambda: nn.Sequential(nn.Identity(), torch.jit.script(plain())),
}
CHANGED: dict[str, Callable[[], nn.Module]] = {
    "old spectral norm": changed(lambda n: nn.utils.spectral_norm(n[0])),
    "spectral norm": changed(lambda n: parametrizations.spectral_norm(n[0])),
    "orthogonal": changed(lambda n: parametrizations.orthogonal(n[0])),
    "symmetric": changed(lambda n: parametrize.register_parametrization(n[0], "weight", Symmetric())),
    "pruned": changed(lambda n: prune.l1_unstructured(n[0], "weight", 0.5)),
    "hooked": changed(hooked),
    "autocast": around(lambda x, n: torch.autocast("cpu", dtype=torch.bfloat16)(n)(x)),
    "half of it in half precision": Mixed,
    "bfloat16": lambda: plain().bfloat16(),
    "prepared to be quantized": prepared_to_be_quantized,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", (UNCHANGED | CHANGED).values(), ids=UNCHANGED | CHANGED)
def test_what_is_wrapped_has_the_field_and_the_map_of_what_is_inside(make: Callable[[], nn.Module]) -> None:
    network = make()
    field = theoretical_receptive_field(network, 8, channels=3)
    assert field.size == (5, 5) or field.assumptions
    values = effective_receptive_field(network, IMAGES).values
    assert 0 < np.count_nonzero(values) <= 25
    if make in UNCHANGED.values():
        expected = effective_receptive_field(plain(), IMAGES).values
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6)
    network(IMAGES.to(next(network.parameters(), IMAGES).dtype))


@pytest.mark.filterwarnings("ignore")
def test_a_dynamically_quantized_network_has_a_field_and_no_gradient() -> None:
    network = Forward(
        lambda x, c, last: last(c(x).movedim(1, 3)).movedim(3, 1), nn.Conv2d(3, 4, 3), nn.Linear(4, 2)
    ).eval()
    quantized = quantization.quantize_dynamic(network, {nn.Linear}, dtype=torch.qint8)
    field = theoretical_receptive_field(quantized, 8)
    assert (field.size, field.assumptions) == ((3, 3), ())
    with pytest.raises(InvalidInput, match="has no gradient"):
        effective_receptive_field(quantized, IMAGES)


def test_a_layer_within_a_map_over_images_is_no_layer_of_its_own() -> None:
    network = around(lambda x, n: torch.vmap(lambda image: n(image[None])[0])(x))()
    with pytest.raises(InvalidInput, match="runs 0 times in one pass"):
        theoretical_receptive_field(network, 8, "layers.0.0")


class Pair(NamedTuple):
    features: Tensor
    scores: Any


@dataclass
class Output:
    features: Tensor
    scores: Any = None


def conv(inputs: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, 4, 3, padding=1)


def views(network: nn.Module, images: Tensor) -> Any:
    return network(images[:, :1], images[:, 1:2])


def matched(near: Tensor, far: Tensor, encode: nn.Module) -> Tensor:
    a, b = encode(near), encode(far)
    return torch.stack([(a * F.pad(b, (shift, 0))[..., : a.shape[3]]).mean(1) for shift in range(3)], 1)


class Views(nn.Module):
    def __init__(self, forward: Callable[..., Any], *layers: nn.Module) -> None:
        super().__init__()
        self.layers, self.run = nn.ModuleList(layers), forward

    def forward(self, near: Tensor, far: Tensor) -> Any:
        return self.run(near, far, *self.layers)


def class_token(x: Tensor, patches: nn.Module, block: nn.Module) -> Tensor:
    tokens = patches(x).flatten(2).transpose(1, 2)
    return block(torch.cat([tokens.new_ones(len(x), 1, 4), tokens], 1))[:, 0]


def by_attention(x: Tensor, features: nn.Module, attend: nn.Module) -> Tensor:
    tokens = features(x).flatten(2).transpose(1, 2)
    return attend(tokens.new_ones(len(x), 1, 4), tokens, tokens)[0].squeeze(1)


def aggregated(x: Tensor, features: nn.Module, assign: nn.Module) -> Tensor:
    y = features(x)
    return F.normalize(torch.einsum("nkhw,nchw->nkc", assign(y).softmax(1), y).flatten(1))


INF, NONE = (np.inf, np.inf), None
# The network, its field's size and grid, and how it is called.
OUTPUTS: dict[str, tuple[nn.Module, Any, Any, Any]] = {
    "tuple of one": (Forward(lambda x, c: (c(x),), conv()), (3, 3), (8, 8), NONE),
    "list of one": (Forward(lambda x, c: [c(x)], conv()), (3, 3), (8, 8), NONE),
    "one of a dict": (Forward(lambda x, c: {"a": c(x), "b": None, "c": 3.0}, conv()), (3, 3), (8, 8), NONE),
    "one of a dataclass": (Forward(lambda x, c: Output(c(x)), conv()), (3, 3), (8, 8), NONE),
    "a dataclass in a dict": (Forward(lambda x, c: {"out": Output(c(x))}, conv()), (3, 3), (8, 8), NONE),
    "a field of a dataclass": (
        Forward(lambda x, c: Output(c(x), c(x).mean()), conv()), (3, 3), (8, 8), lambda n, x: n(x).features
    ),
    "a field of a tuple": (
        Forward(lambda x, c: Pair(c(x), c(x).mean()), conv()), (3, 3), (8, 8), lambda n, x: n(x).features
    ),
    "a level of a pyramid": (
        Forward(lambda x, a, b: OrderedDict(p3=a(x), p4=b(a(x))), conv(), nn.Conv2d(4, 4, 3, 2, 1)),
        (5, 5), (4, 4), lambda n, x: n(x)["p4"],
    ),
    "two views": (Views(lambda a, b, e: e(a) - e(b), conv(1)), (3, 3), (8, 8), views),
    "two views matched": (Views(matched, conv(1)), (3, 5), (8, 8), views),
    "two views compared": (
        Views(lambda a, b, e: F.cosine_similarity(e(a).mean((2, 3)), e(b).mean((2, 3)), eps=1e-3)[:, None], conv(1)),
        INF, None, views,
    ),
    "a batch as a dict": (
        Forward(lambda batch, c: c(batch["image"]) * batch["mask"], conv()), (3, 3), (8, 8),
        lambda n, x: n({"image": x, "mask": torch.ones(8, 8, device=x.device)}),
    ),
    "a timestep beside the images": (
        Views(lambda x, t, c: c(x) * (1 + t.view(-1, 1, 1, 1)), conv()), (3, 3), (8, 8),
        lambda n, x: n(x, torch.full((len(x),), 5, device=x.device)),
    ),
    "pixels clamped": (conv(), (3, 3), (8, 8), lambda n, x: n((x * 255).clamp(-255, 255) / 255)),
    "made larger": (conv(), (3, 3), (16, 16), lambda n, x: n(F.interpolate(x, scale_factor=2, mode="bilinear"))),
    "grey made colored": (conv(), (3, 3), (8, 8), lambda n, x: n(x[:, :1].expand(-1, 3, -1, -1))),
    "images one by one": (conv(), (3, 3), (8, 8), lambda n, x: torch.stack([n(image) for image in x])),
    "mean of channels": (conv(), (3, 3), (8, 8), lambda n, x: n(x).mean(1)),
    "class token": (
        Forward(class_token, nn.Conv2d(3, 4, 2, 2), nn.TransformerEncoderLayer(4, 1, 8, batch_first=True)),
        INF, None, NONE,
    ),
    "normalized embedding": (Forward(lambda x, c: F.normalize(c(x).mean((2, 3))), conv()), INF, None, NONE),
    "pooled by attention": (
        Forward(by_attention, conv(), nn.MultiheadAttention(4, 1, batch_first=True)), INF, None, NONE
    ),
    "aggregated": (Forward(aggregated, conv(), nn.Conv2d(4, 3, 1)), INF, None, NONE),
    "pooled by powers": (
        Forward(lambda x, c: F.avg_pool2d(c(x).clamp(min=1e-6) ** 3, x.shape[2:]).pow(1 / 3).flatten(1), conv()),
        (10, 10), None, NONE,
    ),
    "flattened map": (Forward(lambda x, c: c(x).flatten(1), conv()), (10, 10), None, NONE),
    "one number an image": (Forward(lambda x, c: c(x).mean((1, 2, 3)), conv()), INF, None, NONE),
    "class of the left half": (
        Forward(lambda x, c, head: head(c(x)[..., :4].flatten(1)), conv(), nn.Linear(128, 3)), (np.inf, 6), None, NONE
    ),
    "loss of each image": (
        Forward(lambda x, c: c(x).mean((2, 3)), conv()), INF, None,
        lambda n, x: F.cross_entropy(n(x), torch.zeros(len(x), dtype=torch.long, device=x.device), reduction="none"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("network", "size", "grid", "call"), OUTPUTS.values(), ids=OUTPUTS)
def test_outputs_and_calls_of_every_kind_have_a_field_and_a_map(
    network: nn.Module, size: tuple[float, ...], grid: tuple[int, ...] | None, call: Any
) -> None:
    field = theoretical_receptive_field(network, 8, channels=3, call=call)
    assert (field.size, field.grid, field.assumptions) == (size, grid, ())
    network = network.double()
    imap = effective_receptive_field(network, IMAGES.double(), call=call)
    values = imap.values.copy()
    assert values.any()
    values[tuple(slice(max(low, 0), high) for low, high in field.box)] = 0
    assert not values.any()


def test_one_number_of_all_images_is_refused_in_one_line() -> None:
    with pytest.raises(InvalidInput, match=r"has shape \[\]: its first dimension must be the images"):
        effective_receptive_field(Forward(lambda x, c: c(x).mean(), conv()), IMAGES)
