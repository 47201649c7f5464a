"""Layers whose first dimension runs through the units of one image and then through those of the next."""

import numpy as np
import pytest
import torch
from torch import nn

import erf
from tests.erf.hard_cases import Forward

FOLDED = {
    "steps": ((11,), nn.Conv1d, lambda x: x.transpose(1, 2).flatten(0, 1)),
    "pixels": ((7, 5), nn.Conv2d, lambda x: x.permute(0, 2, 3, 1).flatten(0, 2)),
    "columns first": ((7, 5), nn.Conv2d, lambda x: x.permute(0, 3, 2, 1).flatten(0, 2)),
    "rows": ((7, 5), nn.Conv2d, lambda x: x.transpose(1, 2).flatten(0, 1)),
    "columns": ((7, 5), nn.Conv2d, lambda x: x.permute(0, 3, 1, 2).flatten(0, 1)),
    "tokens": ((7, 6), nn.Conv2d, lambda x: x.flatten(2).transpose(1, 2).reshape(-1, x.shape[1])),
    "voxels": ((4, 3, 5), nn.Conv3d, lambda x: x.movedim(1, -1).flatten(0, 3)),
    "frames": ((4, 3, 5), nn.Conv3d, lambda x: x.transpose(1, 2).flatten(0, 1)),
}


@pytest.mark.parametrize(("size", "conv", "fold"), FOLDED.values(), ids=FOLDED)
def test_units_and_maps_are_those_of_the_map_before_it_was_folded(size, conv, fold):
    torch.manual_seed(0)
    network = Forward(lambda x, conv, last: last(fold(conv(x))), conv(2, 3, 3, padding=1), nn.Tanh()).double()
    images = torch.randn(3, 2, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for unit in (None, tuple(n - 1 for n in size)):
        field, plain = (erf.theoretical_receptive_field(network, size, layer, unit) for layer in (None, "layers.0"))
        assert (field.grid, field.unit, field.box, field.jump) == (size, plain.unit, plain.box, plain.jump)
        assert network(images)[field.index].shape[0] == len(images)
        imap = erf.effective_receptive_field(network, images, None, unit)
        leaf = images.clone().requires_grad_()
        output = network.layers[0](leaf)[plain.index].tanh()
        signs = [erf.maps.aggregation.output_direction("random_sign", 3, 0, n) for n in range(3)]
        (g,) = torch.autograd.grad((output * torch.stack(signs).to(output)).sum(), leaf)
        np.testing.assert_allclose(imap.values, g.abs().mean((0, 1)), rtol=1e-12, atol=1e-15)
    assert erf.check(network, size)
