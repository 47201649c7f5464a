import sys
import textwrap
from argparse import Namespace
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from erf import InvalidInput
from erf.command.network_source import Source, files_of, make_network, read_weights

NET = """
    from torch import nn

    def small():
        return nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

    made = small()
    number = 3

    def fails():
        widths = [1, 2]
        return widths[5]

    def leaves():
        raise SystemExit("no data set")

    def multiline():
        raise RuntimeError("first\\nsecond")

    def needs(width):
        return nn.Conv2d(3, width, 3)

    def list_of():
        return [nn.Conv2d(3, 2, 3)]
"""


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(textwrap.dedent(NET))
    return path


def refused(*arguments, **named):
    with pytest.raises(InvalidInput) as caught:
        make_network(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def same_weights(a, b):
    a, b = (network.state_dict() if isinstance(network, nn.Module) else network for network in (a, b))
    pairs = zip(a.items(), b.items(), strict=True)
    return all(key == other and torch.equal(x, y) for (key, x), (other, y) in pairs)


def test_the_seed_alone_decides_the_weights_and_nothing_leaks():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = make_network(Source.torchvision, "squeezenet1_1", seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    torch.rand(3)
    assert same_weights(first, make_network(Source.torchvision, "squeezenet1_1", seed=3))
    assert not same_weights(first, make_network(Source.torchvision, "squeezenet1_1", seed=4))


@pytest.mark.parametrize("name", ["googlenet", "deeplabv3_mobilenet_v3_large", "r3d_18"])
def test_torchvisions_networks_are_made_untrained_without_a_warning_or_a_download(name, monkeypatch):
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: pytest.fail("downloads"))
    assert isinstance(make_network(Source.torchvision, name), nn.Module)


def test_a_misspelt_name_has_its_nearest_names():
    line = refused(Source.torchvision, "resnet5O")
    assert "network='resnet5O' is not in torchvision" in line
    assert "resnet50" in line
    pytest.importorskip("timm")
    assert "convnext_tiny" in refused(Source.timm, "convnext_tinny")


def test_timms_networks_are_made_by_their_name_with_or_without_a_tag():
    timm = pytest.importorskip("timm")
    expected = timm.create_model("resnet10t")
    for name in ("resnet10t", "resnet10t.c3_in1k"):
        assert type(make_network(Source.timm, name)) is type(expected)
    assert "resnet10t.nonsense" in refused(Source.timm, "resnet10t.nonsense")


def test_without_timm_the_line_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    assert refused(Source.timm, "resnet10t").endswith('pip install "erf[timm]"')


def test_pretrained_weights_without_a_network_are_one_line(monkeypatch):
    def offline(*_, **__):
        raise URLError("Name or service not known")

    monkeypatch.setattr(models, "get_model", offline)
    line = refused(Source.torchvision, "resnet18", "DEFAULT")
    for part in ("weights=DEFAULT", "resnet18", "Name or service not known", "weights=none, PATH"):
        assert part in line


def test_pretrained_weights_are_asked_for_by_their_name(monkeypatch):
    asked = []
    monkeypatch.setattr(models, "get_model", lambda name, **settings: asked.append((name, settings)))
    make_network(Source.torchvision, "resnet18", "DEFAULT")
    make_network(Source.torchvision, "resnet18", "none")
    assert asked == [("resnet18", {"weights": "DEFAULT"}), ("resnet18", {"weights": None})]


def test_a_users_function_or_class_makes_the_network(net):
    assert isinstance(make_network(Source.file, f"{net}:small"), nn.Sequential)
    assert isinstance(make_network(Source.file, f"{net}:Net").conv, nn.Conv2d)
    first, second = (make_network(Source.file, f"{net}:small", seed=2) for _ in range(2))
    assert same_weights(first, second)


def test_a_users_file_may_import_its_neighbours_and_leaves_the_path_as_it_was(tmp_path):
    (tmp_path / "neighbour_of_users.py").write_text("WIDTH = 7\n")
    imports = "    from torch import nn\n    from neighbour_of_users import WIDTH\n"
    (tmp_path / "net.py").write_text(f"def make():\n{imports}    return nn.Conv2d(3, WIDTH, 3)\n")
    before = list(sys.path)
    assert make_network(Source.file, f"{tmp_path}/net.py:make").out_channels == 7
    assert sys.path == before


def test_a_relative_path_is_found_from_where_the_command_runs(net, monkeypatch):
    monkeypatch.chdir(net.parent)
    assert isinstance(make_network(Source.file, "net.py:small"), nn.Sequential)
    assert "failed at net.py:17: IndexError" in refused(Source.file, "net.py:fails")


@pytest.mark.parametrize(
    ("function", "parts"),
    [
        ("fails", ["failed at", "net.py:17: IndexError: list index out of range"]),
        ("leaves", ["net.py:20: SystemExit: no data set"]),
        ("multiline", ["net.py:23: RuntimeError: first second"]),
        ("needs", ["net.py: TypeError", "'width'"]),
        ("list_of", ["returned a list", "torch.nn.Module"]),
        ("made", ["no function or class of this name", "small", "Net"]),
        ("number", ["no function or class of this name", "small"]),
        ("smal", ["no function or class of this name", "small"]),
    ],
)
def test_what_goes_wrong_in_a_users_file_is_one_line_that_names_the_place(function, parts, net):
    line = refused(Source.file, f"{net}:{function}")
    assert line.startswith(f"network={net}:{function}")
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("text", "place"),
    [("import torch\nimport no_such_package\n", "2: ModuleNotFoundError"), ("x = (\n", "1: SyntaxError")],
)
def test_a_users_file_that_does_not_run_is_one_line_that_names_the_place(text, place, tmp_path):
    path = tmp_path / "net.py"
    path.write_text(text)
    assert f"net.py:{place}" in refused(Source.file, f"{path}:make")


@pytest.mark.parametrize(
    ("name", "part"),
    [("net.py", "path/to/file.py:factory"), ("net:make", "path/to/file.py:factory"), ("no.py:make", "no file no.py")],
)
def test_what_names_no_file_is_said(name, part):
    assert part in refused(Source.file, name)
    with pytest.raises(InvalidInput, match=part):
        files_of(Source.file, name)


def test_a_users_network_has_no_default_weights(net):
    assert "allowed for the network of a file: none, PATH" in refused(Source.file, f"{net}:small", "DEFAULT")


def test_the_files_of_a_network_are_named(net, tmp_path):
    weights = tmp_path / "a.pt"
    weights.touch()
    assert files_of(Source.torchvision, "resnet18") == []
    assert files_of(Source.torchvision, "resnet18", "DEFAULT") == []
    assert files_of(Source.file, f"{net}:small", str(weights)) == [net, weights]


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
