"""Weights are read from checkpoints as programs write them; no code is run, and those that do not fit are named."""

from argparse import Namespace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from erf import InvalidInput
from erf.command.network_source import Source, files_of, make_network, read_weights
from tests.erf.command.made_networks import refused, same_weights


def changed(network):
    return {key: value + 1 for key, value in network.state_dict().items()}


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "model_state_dict", "net"])
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".safetensors"])
def test_weights_of_a_file_are_those_measured(wrapper, suffix, net, tmp_path):
    path = tmp_path / f"weights{suffix}"
    weights = changed(make_network(Source.file, f"{net}:small"))
    if suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save({wrapper: weights, "epoch": 3} if wrapper else weights, path)
    loaded = make_network(Source.file, f"{net}:small", str(path)).state_dict()
    assert all(torch.equal(loaded[key], weights[key]) for key in weights)


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "module.model.", "net._orig_mod."])
def test_a_prefix_of_all_names_is_taken_off_and_said(prefix, net, tmp_path):
    path = tmp_path / "weights.ckpt"
    weights = changed(make_network(Source.file, f"{net}:small"))
    nested = {"model": {"state_dict": {f"{prefix}{key}": value for key, value in weights.items()}}, "epoch": 3}
    torch.save(nested, path)
    with pytest.warns(UserWarning, match=f"weights={path}: '{prefix}', which stands before all of its names"):
        loaded = make_network(Source.file, f"{net}:small", str(path)).state_dict()
    assert all(torch.equal(loaded[key], weights[key]) for key in weights)


def named(weights, prefix):
    return {f"{prefix}{key}": value for key, value in weights.items()}


CHECKPOINTS = {  # as programs write them: what they hold, of the weights
    "state dict": lambda w: w,
    "plain dict": dict,
    "parameters": lambda w: {key: nn.Parameter(value, False) for key, value in w.items()},
    "half precision": lambda w: {key: value.half() if value.is_floating_point() else value for key, value in w.items()},
    "views of one storage": lambda w: {key: torch.stack([value, value])[1] for key, value in w.items()},
    "average of weights": lambda w: {"n_averaged": torch.tensor(3), **named(w, "module.")},
    "compiled": lambda w: named(w, "_orig_mod."),
    "compiled, then parallel": lambda w: named(w, "module._orig_mod."),
    "parallel, then compiled": lambda w: named(w, "_orig_mod.module."),
    "module of a training": lambda w: {
        "state_dict": named(w, "model."), "epoch": 3, "hyper_parameters": {"lr": 0.1}, "callbacks": {"best": 0.5},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 0.1}]}],
        "loops": {"fit_loop": {"state_dict": {}}}, "pytorch-lightning_version": "2.4.0",
    },
    "compiled module of a training": lambda w: {"state_dict": named(w, "net._orig_mod."), "global_step": 7},
    "with an optimizer": lambda w: {"model_state_dict": w, "optimizer_state_dict": {"state": {}, "param_groups": []}},
    "with a scaler": lambda w: {"model": w, "scaler": {"scale": 65536.0}, "epoch": 1},
    "with its average": lambda w: {"state_dict": w, "state_dict_ema": named(w, "other.")},
    "average alone": lambda w: {"epoch": 3, "state_dict_ema": w},
    "averaged model": lambda w: {"model_ema": named(w, "module.")},
    "averaged parameters": lambda w: {"params_ema": w},
    "weights of a segmentation": lambda w: {"network_weights": w, "init_args": {}, "trainer_name": "Trainer"},
    "weights of an engine": lambda w: {"module": named(w, "module."), "dp_world_size": 1},
    "iteration": lambda w: {"model": w, "iteration": 90000, "__author__": "someone"},
    "thrice nested": lambda w: {"model": {"net": {"state_dict": w}}},
    "best of them": lambda w: {"epoch": 3, "best": True, "net": named(w, "module."), "acc": 0.9},
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:weights=")
@pytest.mark.parametrize("held", CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_checkpoints_as_programs_write_them(held, net, tmp_path):
    path = tmp_path / "weights.ckpt"
    weights = changed(make_network(Source.file, f"{net}:small"))
    torch.save(held(weights), path)
    loaded = make_network(Source.file, f"{net}:small", str(path)).state_dict()
    assert all(torch.allclose(loaded[key], weights[key], rtol=1e-3) for key in weights)


HARMFUL = {
    "a whole network": lambda w: nn.Conv2d(3, 2, 3),
    "arguments of a program": lambda w: {"model": w, "args": Namespace(lr=0.1)},
    "a function": lambda w: {"state_dict": w, "scheduler": print},
    "a path": lambda w: {"state_dict": w, "folder": Path("runs")},
    "a number of its own": lambda w: {"state_dict": w, "best": Danger()},
}


@pytest.mark.parametrize("held", HARMFUL.values(), ids=HARMFUL)
def test_what_would_run_code_stays_unread_wherever_it_stands(held, net, tmp_path, capsys):
    path = tmp_path / "weights.pth"
    torch.save(held(changed(make_network(Source.file, f"{net}:small"))), path)
    assert "would run code; save network.state_dict() alone" in refused(Source.file, f"{net}:small", str(path))
    assert capsys.readouterr().out == ""


def test_a_prefix_of_some_names_stays(net, tmp_path):
    path = tmp_path / "weights.pt"
    weights = changed(make_network(Source.file, f"{net}:small"))
    first = next(iter(weights))
    torch.save({f"module.{key}" if key == first else key: value for key, value in weights.items()}, path)
    assert f"1 unexpected (module.{first})" in refused(Source.file, f"{net}:small", str(path))


def test_weights_that_do_not_fit_have_their_first_mismatches_listed(tmp_path):
    path = tmp_path / "weights.pt"
    weights = models.resnet18().state_dict()
    for key in [key for key in weights if key.startswith("layer4")]:
        weights[f"module.{key}"] = weights.pop(key)
    weights["fc.weight"] = torch.zeros(10, 512)
    weights["fc.bias"] = 3
    torch.save(weights, path)
    line = refused(Source.torchvision, "resnet18", str(path))
    assert line.startswith(f"weights={path} do not fit resnet18: 30 missing (layer4.0.conv1.weight, ")
    assert "and 27 more); 30 unexpected (module.layer4.0.conv1.weight, " in line
    assert line.endswith(
        "2 of another shape (fc.weight [10, 512] instead of [1000, 512], fc.bias int instead of [1000])"
    )


class Danger:
    def __reduce__(self):
        return print, ("code ran",)


def test_reading_weights_runs_no_code(tmp_path, capsys):
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": Danger()}, path)
    with pytest.raises(InvalidInput, match=r"would run code; save network\.state_dict\(\) alone"):
        read_weights(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("length", [0, 5, 300])
def test_a_damaged_file_of_weights_is_named(suffix, length, net, tmp_path):
    path = tmp_path / f"weights{suffix}"
    weights = make_network(Source.file, f"{net}:small").state_dict()
    save_file(weights, path) if suffix == ".safetensors" else torch.save(weights, path)
    path.write_bytes(path.read_bytes()[:length])
    assert f"weights={path} is damaged" in refused(Source.file, f"{net}:small", str(path))


@pytest.mark.parametrize("held", [[torch.zeros(2)], torch.zeros(2), {"epoch": 3}, {0: torch.zeros(2)}, {}])
def test_a_file_without_a_state_dict_is_named(held, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(held, path)
    assert "holds no state dict" in refused(Source.torchvision, "resnet18", str(path))


@pytest.mark.parametrize(
    ("weights", "part"), [("none.pt", "no such file"), ("weights.bin", "*.safetensors"), ("default", "DEFAULT")]
)
def test_weights_that_are_no_file_are_named(weights, part):
    assert part in refused(Source.torchvision, "squeezenet1_1", weights)
    with pytest.raises(InvalidInput, match="weights="):
        files_of(Source.torchvision, "squeezenet1_1", weights)


def test_layers_that_ask_for_their_version_find_it_or_say_so(tmp_path):
    weights = changed(models.mnasnet0_5())
    with_versions = models.mnasnet0_5().state_dict()
    torch.save(with_versions, tmp_path / "weights.pt")
    assert same_weights(make_network(Source.torchvision, "mnasnet0_5", str(tmp_path / "weights.pt")), with_versions)
    save_file(weights, tmp_path / "weights.safetensors")
    assert "version" in refused(Source.torchvision, "mnasnet0_5", str(tmp_path / "weights.safetensors"))
