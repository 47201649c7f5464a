"""The command erf compares networks: which sees farthest, by how much, and what the image limits."""

import json

import pytest
import torch

from erf.command.cli import main
from erf.command.network_source import Source, make_network
from erf.metrics.jackknife import Estimate
from tests.erf.command.answers import SMALL, answer


def test_compare_gives_the_interval_of_the_difference(network, capsys):
    rows = json.loads(answer(capsys, "compare", network, network, *SMALL, "--json"))["rows"]
    assert [(row["layer"], row["difference"]) for row in rows] == [("1", None), ("1", 0), ("3", None), ("3", 0)]
    low, high = rows[-1]["difference_interval"]
    assert low == high == 0  # it has seen the same images twice


def test_compare_takes_many_networks_and_sorts_by_a_named_column(network, capsys):
    networks = ("net.py:wide", network, "net.py:deep")
    printed = json.loads(answer(capsys, "compare", *networks, *SMALL, "--sort", "erf_size", "--json"))
    assert [setting["network"] for setting in printed["networks"]] == list(networks)
    rows = printed["rows"]
    sizes = [row["erf_size"] for row in rows]
    assert sizes == sorted(sizes)
    assert len({row["network"] for row in rows}) == len(rows) == 3  # of each its deepest: they share no layer
    base = {row["network"]: row["erf_size"] for row in rows}["net.py:wide"]
    for row in rows:
        assert row["difference"] == (None if row["network"] == "net.py:wide" else row["erf_size"] - base)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["resnet5"], "erf: network 'resnet5' is not in torchvision; nearest names: resnet50"),
        (["timm:resnet5"], "erf: network 'resnet5' is not in timm; nearest names: resnet50"),
        (["nowhere.py:make"], "erf: network nowhere.py:make: there is no file nowhere.py"),
        (["net.py:make", "--weights-b", "w.pt"], "erf: --weights-b w.pt: there is no such file"),
    ],
)
def test_a_network_that_cannot_be_had_is_refused_before_another_is_measured(wrong, said, network, capsys, monkeypatch):
    if wrong[0].startswith("timm:"):
        pytest.importorskip("timm")
    monkeypatch.setattr("erf.command.measuring.measured", lambda *_: pytest.fail("it is measured"))
    assert main(["compare", network, "net.py:wide", *wrong]) == 1
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_of_a_comparison_fits_and_begins_with_what_came_out(columns, network, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = answer(capsys, "compare", network, "net.py:wide", *SMALL).splitlines()
    assert lines[0].startswith("net.py:wide 0 sees farthest")
    assert max(map(len, lines)) <= columns
    assert "difference" in "\n".join(lines[3:])


@pytest.mark.parametrize(
    ("networks", "says"),
    [
        (("net.py:wide", "net.py:wider"), "The image limits all of these ERFs, so that their order says nothing"),
        (("net.py:narrow", "net.py:wide"), "net.py:wide 0 sees farthest, at least 8.9 (8.9 to 8.9) pixels"),
        (("net.py:narrow", "net.py:narrow"), "All see equally far, 1.0 (1.0 to 1.0) pixels."),
    ],
)
def test_a_comparison_says_which_erfs_the_image_limits(networks, says, network, capsys):
    answered = " ".join(answer(capsys, "compare", *networks, "--input", "8,10").split())
    assert answered.startswith(says)
    assert ("a larger input shows more, for example --input 16,20." in answered) is ("wide" in says or "limits" in says)


def test_a_comparison_prints_no_minus_zero(network, capsys, monkeypatch):
    monkeypatch.setattr(Estimate, "interval", property(lambda _: (-0.04, -0.02)))
    assert "(0.0 to 0.0)" in (printed := answer(capsys, "compare", network, network, *SMALL))
    assert "-0.0" not in printed


def test_the_larger_input_of_one_axis_is_as_the_command_takes_it(network, capsys):
    assert "--input 16,." in answer(capsys, "compare", "net.py:line", "net.py:line", "--input", "8,")


def test_a_comparison_of_weights_says_which_they_are(network, capsys):
    torch.save(make_network(Source.file, network, seed=3).state_dict(), "w.pt")
    rows = json.loads(answer(capsys, "compare", network, network, *SMALL, "--weights-b", "w.pt", "--json"))["rows"]
    assert [row["network"] for row in rows[:2]] == [f"{network} (none)", f"{network} (w.pt)"]
    assert rows[-1]["difference"] != 0


def test_the_weights_of_the_others_are_refused_by_their_own_option(network, capsys):
    assert main(["compare", network, network, "--input", "16", "--samples", "2", "--weights-b", "no.pt"]) == 1
    assert capsys.readouterr().err.startswith("erf: --weights-b no.pt: there is no such file")
