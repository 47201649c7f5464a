"""The same arguments at every entry point, and networks that are wrapped, prepared or called in ways of their own."""

import tomllib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import erf
from erf import InvalidInput, effective_receptive_field, influence, theoretical_receptive_field

IMAGES = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def plain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))


def with_part(wrap) -> nn.Sequential:
    network = plain()
    network[3] = wrap(network[3])
    return network


def compiled_in_place() -> nn.Module:
    network = plain()
    network.compile()
    return network


class Checkpointed(nn.Module):
    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.within, self.reentrant = plain(), reentrant

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self.within, x, use_reentrant=self.reentrant)


def parametrized() -> nn.Module:
    network = plain()
    nn.utils.parametrizations.weight_norm(network[0])
    return network


def distributed() -> nn.Module:
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    return nn.parallel.DistributedDataParallel(plain())


@pytest.fixture(scope="module", autouse=True)
def _no_process_group_is_left():
    yield
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


WRAPPED = {
    "DataParallel": lambda: nn.DataParallel(plain()),
    "DataParallel part": lambda: with_part(nn.DataParallel),
    "DistributedDataParallel": distributed,
    "reentrant checkpoint": partial(Checkpointed, True),
    "checkpoint": partial(Checkpointed, False),
    "parametrized": parametrized,
    "average of weights": lambda: torch.optim.swa_utils.AveragedModel(plain()),
    "scripted": lambda: torch.jit.script(plain().eval()),
    "scripted part": lambda: with_part(torch.jit.script),
    "traced": lambda: torch.jit.trace(plain().eval(), torch.zeros(2, 3, 8, 8)),
    "channels last": lambda: plain().to(memory_format=torch.channels_last),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_a_wrapped_network_has_the_fields_and_maps_of_what_is_in_it(wrap):
    network, expected = wrap(), effective_receptive_field(plain(), IMAGES)
    attributes = [set(vars(module)) for module in network.modules()]
    assert theoretical_receptive_field(network, 8, channels=3).size == (5, 5)
    np.testing.assert_allclose(effective_receptive_field(network, IMAGES).values, expected.values, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(influence(network, IMAGES), influence(plain(), IMAGES), rtol=1e-4, atol=1e-6)
    assert [set(vars(module)) for module in network.modules()] == attributes


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("wrap", [torch.compile, lambda network: compiled_in_place()], ids=["compile", "in place"])
def test_nothing_is_compiled(wrap, monkeypatch):
    import torch._dynamo.convert_frame as frames

    def fail(*_args, **_kwargs):
        raise AssertionError("compiles")

    monkeypatch.setattr(frames, "_compile", fail)
    expected = effective_receptive_field(plain(), IMAGES)
    np.testing.assert_allclose(
        effective_receptive_field(wrap(plain()), IMAGES).values, expected.values, rtol=1e-4, atol=1e-7
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    imap, expected = (effective_receptive_field(plain().to(kind), IMAGES) for kind in (dtype, torch.float32))
    assert erf.compare(theoretical_receptive_field(plain().to(dtype), 8), imap).trf_size == (5, 5)
    assert np.abs(imap.values - expected.values).max() < 0.02 * expected.values.max()


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_a_layer_in_a_scripted_module_is_refused_with_its_cause():
    scripted = torch.jit.script(plain().eval())
    with pytest.raises(InvalidInput, match="layer '0' is inside of a scripted or traced module"):
        theoretical_receptive_field(scripted, 8, "0", channels=3)


@pytest.mark.slow
def test_an_exported_network_is_measured_as_it_is():
    exported = torch.export.export(plain().eval(), (torch.zeros(2, 3, 8, 8),), strict=False).module()
    with pytest.raises(InvalidInput, match=r"cannot be put into eval mode .*mode='as_is'"):
        theoretical_receptive_field(exported, 8, channels=3)


def test_a_complex_parameter_is_no_reason_to_refuse_a_network():
    network = plain()
    network.unused = nn.Parameter(torch.ones(2, dtype=torch.complex64))
    np.testing.assert_array_equal(
        effective_receptive_field(network, IMAGES).values, effective_receptive_field(plain(), IMAGES).values
    )
    network.unused = nn.Parameter(torch.tensor([1, 1j * torch.inf]))
    with pytest.raises(InvalidInput, match="'unused' has values that are not finite"):
        effective_receptive_field(network, IMAGES)


ENTRIES = {
    "field": lambda network, **asked: theoretical_receptive_field(network, 8, **asked),
    "map": lambda network, **asked: effective_receptive_field(network, IMAGES, **asked),
    "influence": lambda network, **asked: influence(network, IMAGES, **asked),
}


def same(a, b) -> bool:
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    return a.size == b.size if hasattr(a, "size") else np.allclose(a.values, b.values, rtol=1e-5, atol=0)


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_layers_and_units_are_asked_for_in_one_way(entry):
    network = plain()
    one = entry(network, layer="0", unit=(1, 2))
    assert same(entry(network, layer=network[0], unit=(1, 2)), one)
    by_name = entry(network, layer=[network[0], "3"], unit=[(1, 2), (3, 3)])
    assert list(by_name) == ["0", "3"]
    assert same(by_name["0"][0], one)
    assert same(by_name["3"][1], entry(network, layer="3"))
    (listed,) = entry(network, layer=network[0], unit=[(1, 2)])
    assert same(listed, one)


REFUSED = [
    ({"layer": nn.Conv2d(3, 4, 3)}, "layer=Conv2d is not a module of this Sequential"),
    ({"layer": 0}, "layer=0: allowed are a module or its name, a list of these, and None"),
    ({"layer": ("0", "3")}, r"layer=\('0', '3'\): allowed are a module or its name"),
    ({"layer": []}, "layer=\\[\\]: name at least one"),
    ({"layer": ["0", None, 3]}, "layer=3: allowed"),
    ({"layer": "conv"}, "layer 'conv' is not in Sequential; nearest names: "),
    ({"unit": []}, "unit=\\[\\]: name at least one"),
    ({"unit": 3}, "unit 3 is outside of every grid"),
    ({"unit": [3, 4]}, "unit 3 is outside of every grid"),
    ({"unit": (6, 0)}, r"unit \(6, 0\) is outside the grid"),
    ({"mode": "train"}, "mode.*'train'"),
]


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
@pytest.mark.parametrize(("asked", "message"), REFUSED)
def test_what_does_not_fit_is_refused_alike(entry, asked, message):
    with pytest.raises(InvalidInput, match=message) as refused:
        entry(plain(), **asked)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("size", [8.5, True, "8", (0, 8), (), None])
def test_sizes_that_are_none(size):
    with pytest.raises(InvalidInput, match=r"input_size=.* whole numbers from 1"):
        theoretical_receptive_field(plain(), size)


def test_influence_is_measured_in_eval_mode_and_the_mode_is_restored():
    network = plain().train()
    buffers = [buffer.clone() for buffer in network.buffers()]
    assert torch.equal(influence(network, IMAGES), influence(plain().eval(), IMAGES))
    assert network.training
    assert network[1].training
    assert all(map(torch.equal, network.buffers(), buffers))
    assert not torch.equal(influence(network, IMAGES, mode="as_is"), influence(network, IMAGES))


@dataclass
class Output:
    features: Tensor
    scores: Tensor


class TwoViews(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.near, self.far = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 5, padding=2)

    def forward(self, near: Tensor, far: Tensor) -> Output:
        features = self.near(near) + self.far(far)
        return Output(features, features.mean((2, 3)))


def run_views(network: TwoViews, images: Tensor) -> Tensor:
    return network(images[:, :1], images[:, 1:]).features


def test_a_call_gives_several_inputs_and_takes_one_of_several_outputs():
    torch.manual_seed(0)
    network = TwoViews()
    assert theoretical_receptive_field(network, 8, channels=3, call=run_views).size == (5, 5)
    asked = theoretical_receptive_field(network, 8, ["near", "far"], channels=3, call=run_views)
    assert [field.size for field in asked.values()] == [(3, 3), (5, 5)]
    g = influence(network, IMAGES, call=run_views)
    assert [g[:, channel].count_nonzero().item() for channel in range(3)] == [27, 75, 75]
    near = effective_receptive_field(network, IMAGES, call=run_views, of_channels=0)
    far = effective_receptive_field(network, IMAGES, call=run_views, of_channels=[1, 2])
    both = effective_receptive_field(network, IMAGES, call=run_views)
    assert np.count_nonzero(near.values) == 9
    np.testing.assert_allclose((near.values + 2 * far.values) / 3, both.values, rtol=1e-12)


@pytest.mark.parametrize("channels", [3, -1, [0, 0], [], "0", [1.0], True])
def test_channels_that_are_none(channels):
    with pytest.raises(InvalidInput, match=r"of_channels=.*: allowed are different channels from 0 to 2"):
        effective_receptive_field(plain(), IMAGES, of_channels=channels)


def test_the_units_of_a_call_are_those_of_what_it_returns():
    def upsampled(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
        return {"out": nn.functional.interpolate(network(images / 2), scale_factor=2)}

    field = theoretical_receptive_field(plain(), 8, call=upsampled)
    assert field.grid == (12, 12)
    halved = influence(plain(), IMAGES, unit=(6, 6), call=upsampled)
    torch.testing.assert_close(halved, influence(plain(), IMAGES / 2, unit=(3, 3)) / 2)


class FailsAfterwards(nn.Module):
    def __init__(self, fail) -> None:
        super().__init__()
        self.body, self.fail = nn.Conv2d(3, 4, 3), fail

    def forward(self, x: Tensor) -> Tensor:
        return self.fail(self.body(x))


def _raise(_: Tensor) -> Tensor:
    raise KeyError("no such head")


AFTERWARDS = {
    "raises": _raise,
    "decides by values": lambda y: y[y > y.mean()][: int((y > 0).sum())].topk(2).values,
    "does not fit": lambda y: y @ torch.ones(99, 99),
    "leaves torch": lambda y: torch.from_numpy(y.detach().numpy()),
    "no rule": lambda y: torch.linalg.svd(y)[0],
}


@pytest.mark.parametrize("fail", AFTERWARDS.values(), ids=AFTERWARDS)
def test_what_runs_after_the_layer_is_no_matter(fail):
    network = FailsAfterwards(fail)
    assert theoretical_receptive_field(network, 8, "body").size == (3, 3)
    assert np.count_nonzero(effective_receptive_field(network, IMAGES, "body").values) == 9


def test_a_network_that_needs_values_is_followed_on_images():
    class Copied(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.zeros(x.shape).add_(x)

    network = nn.Sequential(nn.Conv2d(3, 4, 3), Copied())
    field = theoretical_receptive_field(network, 8)
    assert (field.size, field.assumptions) == ((3, 3), ())
    assert np.count_nonzero(effective_receptive_field(network, IMAGES).values) == 9
    assert theoretical_receptive_field(network, 8, "0").assumptions == ()


def test_the_version_is_that_of_the_package():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert erf.__version__ == project["project"]["version"]
