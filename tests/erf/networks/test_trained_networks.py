import math

import numpy as np
import pytest
import torch
from torch import nn

from erf import InvalidInput, effective_receptive_field, influence, theoretical_receptive_field
from erf.networks.camvid_frontend import BLOCKS, CamvidFrontend, upsample
from erf.networks.cifar_resnet import CifarResNet
from erf.networks.residual import BasicBlock
from erf.seeds import generator
from tests.oracles.one_device import OneDevice

NARROW = (2, 3, 4, 5)


def cifar(width: int = 4, **settings) -> CifarResNet:
    return CifarResNet(width, generator=generator(0), **settings)


def camvid(widths=NARROW, **settings) -> CamvidFrontend:
    return CamvidFrontend(widths, generator=generator(0), **settings)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_cifar_network_has_the_stated_field(batch_norm):
    network = cifar(batch_norm=batch_norm)
    field = theoretical_receptive_field(network, (32, 32), layer=network.top_layer)
    assert field.size == (network.trf_size,) * 2 == (73, 73)
    assert (field.jump, field.start, field.grid, field.unit) == ((1, 1), (0, 0), (32, 32), (16, 16))
    assert field.box == ((16 - 36, 16 + 37),) * 2


@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_camvid_network_has_the_papers_field(batch_norm):
    network = camvid(batch_norm=batch_norm)
    field = theoretical_receptive_field(network, (360, 480), layer=network.top_layer)
    assert field.size == (network.trf_size,) * 2 == (505, 505)
    assert (field.jump, field.start, field.grid) == ((16, 16), (0, 0), (23, 30))


def test_the_layers_that_are_measured_follow_each_other():
    network = cifar()
    fields = theoretical_receptive_field(network, (32, 32), list(network.layers))
    assert [int(field.size[0]) for field in fields.values()] == [3, *range(7, 72, 4), 73]
    network = camvid()
    fields = theoretical_receptive_field(network, (48, 64), list(network.layers))
    stages = (*range(5, 30, 8), *range(33, 98, 16), *range(105, 298, 32), *range(313, 506, 64))
    assert [int(field.size[0]) for field in fields.values()] == [3, *stages]


def test_the_fields_number_of_blocks():
    for network, blocks in [(cifar(), 17), (camvid(), 16)]:
        assert sum(isinstance(module, BasicBlock) for module in network.modules()) == blocks


@pytest.mark.parametrize(("width", "classes", "inputs"), [(4, 10, 3), (7, 3, 1)])
def test_the_cifar_networks_parameters_by_hand(width, classes, inputs):
    weights = 9 * inputs * width + (2 * 17 + 1) * 9 * width**2 + width * classes + classes
    with_norm, without = (cifar(width, classes=classes, input_channels=inputs, batch_norm=b) for b in (True, False))
    assert parameters(with_norm) == weights + 36 * 2 * width
    assert parameters(without) == weights + 36 * width


@pytest.mark.parametrize("widths", [NARROW, (16, 32, 64, 128)])
def test_the_camvid_networks_parameters_by_hand(widths):
    weights, channels = 9 * 3 * widths[0] + widths[-1] * 11 + 11, widths[0]
    for before, width, blocks in zip((widths[0], *widths), widths, BLOCKS, strict=False):
        weights += 9 * before * width + 2 * blocks * 9 * width**2
        channels += width * (1 + 2 * blocks)
    assert parameters(camvid(widths)) == weights + 2 * channels
    assert parameters(camvid(widths, batch_norm=False)) == weights + channels


def test_shapes():
    assert cifar(classes=7, input_channels=1)(torch.zeros(2, 1, 32, 32)).shape == (2, 7)
    assert camvid(classes=5, input_channels=1)(torch.zeros(2, 1, 70, 97)).shape == (2, 5, 70, 97)


@pytest.mark.parametrize("network", [cifar(16), camvid((8, 8, 8, 8)), cifar(16, batch_norm=False)])
def test_the_initial_weights(network):
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    for layer in convolutions:
        fan_in = layer.in_channels * math.prod(layer.kernel_size)
        last = layer is network.classifier
        variance = 2 / (fan_in + layer.out_channels) if last else 2 / fan_in
        squares = layer.weight.detach().double().square()
        assert float(squares.mean()) == pytest.approx(variance, rel=5 * math.sqrt(2 / squares.numel()))
        assert layer.bias is None or not layer.bias.any()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert (module.bias == 0).all()


@pytest.mark.parametrize("build", [cifar, camvid])
def test_weights_depend_on_the_generator_only(build):
    before = torch.random.get_rng_state()
    first, again = build().state_dict(), build().state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    # All 37 or 38 draws differ from each other, also where shapes are equal.
    weights = [value.flatten()[:6] for name, value in first.items() if name.endswith("weight") and value.ndim == 4]
    assert len({tuple(weight.tolist()) for weight in weights}) == len(weights) in (37, 38)


def test_the_cifar_networks_logits_are_those_of_the_mean_features():
    network = cifar(5).eval()
    images = torch.randn(2, 3, 8, 8, generator=generator(1))
    with torch.no_grad():
        features = network.top(network.blocks(network.stem(images)))
        # Before training, in eval mode, batch norm only divides by sqrt(1 + 1e-5).
        pooled = (features / math.sqrt(1 + 1e-5)).relu().mean((2, 3))
        expected = pooled @ network.classifier.weight.flatten(1).T + network.classifier.bias
        torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-5)


def test_a_block_by_hand():
    block = BasicBlock(2, generator(0), batch_norm=False).double()
    nn.init.uniform_(block.conv1.bias, -1, 1, generator=generator(1))
    x = torch.randn(3, 2, 5, 6, dtype=torch.float64, generator=generator(2))
    w1, w2, bias = block.conv1.weight.detach().numpy(), block.conv2.weight.detach().numpy(), block.conv1.bias.tolist()
    hidden = np.maximum(naive_convolution(x.numpy(), w1) + np.array(bias)[:, None, None], 0)
    expected = np.maximum((naive_convolution(hidden, w2) + x.numpy()) / math.sqrt(2), 0)
    np.testing.assert_allclose(block(x).detach().numpy(), expected, atol=1e-12)


def naive_convolution(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    rows, columns = x.shape[2:]
    windows = [padded[:, :, i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    return np.einsum("ockl,klnchw->nohw", w, np.stack(windows).reshape(3, 3, *x.shape))


def test_a_normalized_block_takes_the_whole_sum():
    block = BasicBlock(3, generator(0)).double().train()
    x = torch.randn(4, 3, 6, 5, dtype=torch.float64, generator=generator(1))

    def normalized(y):
        return (y - y.mean((0, 2, 3), keepdim=True)) / (y.var((0, 2, 3), keepdim=True, unbiased=False) + 1e-5).sqrt()

    expected = (normalized(block.conv2(normalized(block.conv1(x)).relu())) + x).relu()
    torch.testing.assert_close(block(x), expected, rtol=0, atol=1e-12)


def test_without_batch_norm_maps_before_training_have_the_plain_sums_shape():
    images = torch.randn(2, 3, 24, 24, dtype=torch.float64, generator=generator(1))
    network = cifar(3, batch_norm=False).double()
    scaled = effective_receptive_field(network, images, layer="top").values
    for module in network.modules():
        if isinstance(module, BasicBlock):
            module.scale = 1.0
    plain = effective_receptive_field(network, images, layer="top").values
    np.testing.assert_allclose(scaled * math.sqrt(2) ** 17, plain, rtol=1e-9, atol=1e-12 * plain.max())


def test_without_batch_norm_activations_neither_vanish_nor_explode():
    images = torch.randn(2, 3, 24, 24, generator=generator(1))
    growth = []
    for seed in range(10):
        network = CifarResNet(32, batch_norm=False, generator=generator(seed))
        with torch.no_grad():
            first = network.stem(images)
            growth.append(float(network.blocks(first).square().mean() / first.square().mean()))
    assert 0.1 < np.exp(np.mean(np.log(growth))) < 30  # the plain sum's is 2^17 times as large


@pytest.mark.parametrize(("size", "units"), [((33, 49), (3, 4)), ((40, 48), (3, 3)), ((16, 1), (1, 1))])
def test_upsampling_is_linear_between_the_units_centers(size, units):
    logits = torch.randn(2, 3, *units, dtype=torch.float64, generator=generator(0))
    rows = interpolation(size[0], units[0])
    columns = interpolation(size[1], units[1])
    expected = np.einsum("ri,nkij,cj->nkrc", rows, logits.numpy(), columns)
    np.testing.assert_allclose(upsample(logits, size).numpy(), expected, atol=1e-12)


def interpolation(pixels: int, units: int) -> np.ndarray:
    """Return the weights [pixels, units]; beyond the last unit np.interp repeats it."""
    return np.stack([np.interp(np.arange(pixels), 16 * np.arange(units), row) for row in np.eye(units)], axis=1)


@pytest.mark.parametrize("side", [1, 15, 16, 17, 360, 480])
def test_the_units_are_where_upsampling_puts_them(side):
    network = camvid()
    field = theoretical_receptive_field(network, (side, 40), layer="stage4", unit=(0, 0))
    assert field.start == (0, 0)
    assert field.grid is not None
    assert 16 * (field.grid[0] - 1) < side <= 16 * field.grid[0]
    assert network.eval()(torch.zeros(1, 3, side, 40)).shape[2:] == (side, 40)


@pytest.mark.parametrize("network", [cifar(8).eval(), camvid((8, 8, 8, 8)).eval()])
def test_channels_last_gives_the_same_and_stays(network):
    images = torch.randn(2, 3, 48, 48, generator=generator(1))
    formats = []
    with torch.no_grad():
        expected = network(images)
    network.to(memory_format=torch.channels_last)
    hook = network.get_submodule(network.top_layer).register_forward_hook(
        lambda _, inputs, output: formats.append(output.is_contiguous(memory_format=torch.channels_last))
    )
    with torch.no_grad():
        given = network(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    hook.remove()
    assert formats == [True]


@pytest.mark.parametrize(("network", "side"), [(cifar(), 12), (camvid(), 33)])
@pytest.mark.parametrize("training", [True, False])
def test_no_tensor_forgets_its_device(network, side, training):
    network = network.to("meta").train(training)
    images = torch.empty(2, 3, side, side, device="meta")
    with OneDevice() as guard:
        network(images).square().mean().backward()
        g = influence(nn.Sequential(*list(network.children())[:-1]), images, (1, 2))
    assert all(p.grad is not None and p.grad.device.type == "meta" for p in network.parameters())
    assert g.shape == images.shape
    assert guard.seen == {"meta"}


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: CifarResNet(0), "width=0: allowed are whole numbers from 1"),
        (lambda: CifarResNet(4, classes=0), "classes=0"),
        (lambda: CamvidFrontend((4, 4, 4)), r"widths=\[4, 4, 4\]: allowed are 4 whole numbers from 1"),
        (lambda: CamvidFrontend((4, 4, 0, 4)), r"widths=\[4, 4, 0, 4\]"),
        (lambda: CamvidFrontend(input_channels=0), "input_channels=0"),
    ],
)
def test_bad_sizes(build, message):
    with pytest.raises(InvalidInput, match=message):
        build()
