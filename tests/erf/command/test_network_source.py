"""Networks are made by name or by a function of a file, and what makes none is one line."""

import sys
from urllib.error import URLError

import pytest
import torch
from torch import nn
from torchvision import models

from erf import InvalidInput
from erf.command.network_source import Source, files_of, make_network
from tests.erf.command.made_networks import refused, same_weights


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
