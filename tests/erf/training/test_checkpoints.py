"""Checkpoints that do not fit or are damaged are refused by name, and small weights are those of the network."""

from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from erf import InvalidInput
from erf.training.checkpoints import LAST, best_weights, half_precision_weights, load_weights
from tests.erf.toy_training import EPOCHS, run_toy, toy_network
from tests.erf.training.refused_training import the_error


def test_a_checkpoint_of_other_settings_is_refused_and_the_keys_are_named(fabric, tmp_path):
    run_toy(fabric, tmp_path, settings={"width": 16, "shift": 4, "seed": 1})
    before = (tmp_path / LAST).read_bytes()
    line = the_error(fabric, tmp_path, settings={"width": 32, "shift": 4, "images": 7}, epochs=EPOCHS + 1)
    for part in (str(tmp_path / LAST), "width=16 there, 32 here", "images=None there, 7 here", "seed=1 there"):
        assert part in line
    assert f"epochs={EPOCHS} there, {EPOCHS + 1} here" in line
    assert "shift" not in line
    assert (tmp_path / LAST).read_bytes() == before


def test_a_checkpoint_of_another_network_is_refused(fabric, tmp_path):
    run_toy(fabric, tmp_path)
    line = the_error(fabric, tmp_path, network=toy_network(batch_norm=False))
    assert f"{tmp_path / LAST} does not fit the network" in line


def test_a_damaged_checkpoint_is_named(fabric, tmp_path):
    run_toy(fabric, tmp_path)
    path = tmp_path / LAST
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"no checkpoint at all"):
        path.write_bytes(damaged)
        assert f"{path} is damaged" in the_error(fabric, tmp_path)


def test_a_file_with_code_in_it_is_not_run(fabric, tmp_path):
    torch.save({"settings": Path("x"), "network": print}, tmp_path / LAST)
    assert f"{tmp_path / LAST} is damaged" in the_error(fabric, tmp_path)


def test_any_other_file_is_no_checkpoint(fabric, tmp_path):
    torch.save({"network": {}}, tmp_path / LAST)
    assert the_error(fabric, tmp_path) == f"{tmp_path / LAST} is not the checkpoint of a training"


def test_half_precision_weights_are_those_of_the_network_to_three_digits():
    network, reader = toy_network(), toy_network()
    nn.init.normal_(network[1].running_mean, generator=torch.Generator().manual_seed(5))
    network[1].num_batches_tracked.fill_(70001)  # more than float16 can hold
    load_weights(reader, half_precision_weights(network))
    for (name, value), saved in zip(network.state_dict().items(), reader.state_dict().values(), strict=True):
        assert saved.dtype == value.dtype
        exact = value.half().to(value.dtype) if value.is_floating_point() else value
        assert torch.equal(saved, exact), name
        torch.testing.assert_close(saved, value, rtol=1 / 2048, atol=1e-7)


def test_best_weights_that_are_missing_or_do_not_fit_are_named(fabric, tmp_path):
    with pytest.raises(InvalidInput, match=r"best.safetensors is missing: no epoch is finished"):
        best_weights(fabric, tmp_path)
    for content in (b"nonsense", safetensors.torch.save({"other": torch.zeros(1)})):
        with pytest.raises(InvalidInput, match="do not fit the network"):
            load_weights(toy_network(), content)
