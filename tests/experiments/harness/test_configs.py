"""Every experiment, variant and scale composes to its configuration and stands in the help."""

import shutil
from contextlib import redirect_stdout
from dataclasses import fields
from functools import cache
from io import StringIO
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from erf import InvalidInput
from experiments.harness import experiment
from experiments.harness.about import about
from experiments.harness.cli import config_of, main
from experiments.harness.experiment import CONF, experiment_names, experiment_of, load, run_names
from experiments.harness.help import variants
from experiments.harness.override import value_text
from experiments.harness.reference_runs import RUNS, STUDIES

pytestmark = pytest.mark.usefixtures("elsewhere")


@cache
def composed(*overrides):
    return config_of(overrides)


def test_help_lists_every_experiment_and_what_it_measures(capsys):
    assert main([]) == 0
    alone = capsys.readouterr().out
    assert help_of() == alone
    for name in experiment_names():
        assert any(name in line and about(name).question in line for line in alone.splitlines())
    for part in ("seed=1", "-m", "fresh=true", "results/runs"):
        assert part in alone


VARIANTS = sorted({*run_names()} - {*experiment_names()})


@cache
def help_of(*overrides):
    with redirect_stdout(StringIO()) as text:
        assert main([*overrides, "--help"]) == 0
    return text.getvalue()


@pytest.mark.parametrize("run", VARIANTS)
def test_help_lists_every_variant_with_the_first_line_of_its_yaml(run):
    comment = (CONF / "experiment" / f"{run}.yaml").read_text().splitlines()[1]
    description = comment.removeprefix("# ").split(":  ")[0]
    assert len(description) > 10
    for text in (help_of(), help_of(f"experiment={experiment_of(run)}")):
        (line,) = (line for line in text.splitlines() if line.startswith(f" {run} "))
        assert line.rstrip().split(maxsplit=2)[1:] == [experiment_of(run), description]
    assert "variant" not in help_of("experiment=kernels")  # which has none


def test_help_leaves_out_a_variant_of_no_experiment(tmp_path, monkeypatch):
    shutil.copytree(CONF, tmp_path / "conf")
    (tmp_path / "conf" / "experiment" / "broken.yaml").write_text("# Of nothing\ndefaults:\n  - _self_\n")
    monkeypatch.setattr(experiment, "CONF", tmp_path / "conf")
    assert "broken" not in variants(experiment_names())
    assert "erf_growth_deep" in variants(["erf_growth"])


@pytest.mark.parametrize("name", experiment_names())
def test_help_of_an_experiment_shows_every_field(name):
    lines = help_of(f"experiment={name}").splitlines()
    for known in fields(load(name).Config):
        (line,) = (line for line in lines if line.startswith(f" {known.name} "))
        assert known.metadata["help"].split()[0] in line
    assert any("seed" in line and "int" in line and " 0 " in line for line in lines)
    assert not Path("results").exists()


def test_help_shows_the_choices_and_lists_as_they_are_typed():
    assert "he_normal | he_uniform" in help_of("experiment=erf_growth")
    assert "[uniform,random,relu" in help_of("experiment=erf_growth")


@pytest.mark.parametrize("run", run_names())
def test_every_yaml_composes_to_its_dataclass_and_says_how_to_run_it(run):
    text = (CONF / "experiment" / f"{run}.yaml").read_text()
    assert text.startswith("# @package _global_\n")
    assert f"python run.py experiment={run}" in text
    config = composed(f"experiment={run}")
    assert type(config) is load(run).Config
    assert config.name == load(run).name == experiment_of(run)


@pytest.mark.parametrize("run", VARIANTS)
def test_a_variant_is_its_experiment_but_for_the_values_of_its_yaml(run):
    """None of them is what the experiment has anyway."""
    config, usual = vars(composed(f"experiment={run}")), vars(composed(f"experiment={experiment_of(run)}"))
    differing = {key for key, value in config.items() if value != usual[key]}
    values = OmegaConf.load(CONF / "experiment" / f"{run}.yaml")
    assert differing == set(values) - {"defaults"} != set()


@pytest.mark.parametrize("text", ["runs: 3\n", "defaults:\n  - broken\n", "defaults:\n  - _self_\n"])
def test_a_variant_of_no_experiment_is_named_and_breaks_no_other_run(text, tmp_path, monkeypatch):
    (tmp_path / "experiment").mkdir()
    for name, content in {"broken": text, "erf_growth": "defaults:\n  - /schema/erf_growth@_global_\n"}.items():
        (tmp_path / "experiment" / f"{name}.yaml").write_text(content)
    monkeypatch.setattr(experiment, "CONF", tmp_path)
    with pytest.raises(InvalidInput, match=r"broken\.yaml|'_self_' is unknown"):
        experiment_of("broken")
    assert experiment_of("erf_growth") == "erf_growth"


SCALES = sorted((path.parent.name, path.stem) for path in (CONF / "scale").glob("*/*.yaml"))


# The quick runs that evidence is made of are compared in tests/scripts/test_reproduced_runs.py.
@pytest.mark.parametrize(("scale", "run"), [one for one in SCALES if one not in {("quick", run) for run in RUNS}])
def test_a_scale_makes_the_run_smaller(scale, run):
    config, usual = composed(f"experiment={run}", f"scale={scale}"), composed(f"experiment={run}")
    assert type(config) is type(usual)
    assert config != usual


@pytest.mark.parametrize(("scale", "run"), [("smallest", "cifar10"), ("quick", "cifar10_starts")])
def test_a_typed_value_is_above_those_of_a_scale_and_of_a_variant(scale, run):
    config, usual = composed(f"experiment={run}", f"scale={scale}"), composed(f"experiment={run}")
    key, value = next((key, value) for key, value in vars(config).items() if value != vars(usual)[key])
    typed = f"{key}={value_text(vars(usual)[key])}"
    assert vars(config_of([f"experiment={run}", f"scale={scale}", typed]))[key] == vars(usual)[key] != value


def test_every_experiment_has_its_smallest_and_every_reference_run_its_quick_scale():
    runs = {scale: {run for of, run in SCALES if of == scale} for scale, _ in SCALES}
    assert runs["smallest"] == {*experiment_names()}
    assert {*RUNS, *STUDIES} <= runs["quick"] <= {*run_names()}
    assert runs.keys() == {path.stem for path in (CONF / "scale").glob("*.yaml")} == {"quick", "smallest"}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["experiment=measure", "scale=quick"], "scale=quick does not exist for measure; allowed: null, smallest"),
        (["experiment=erf_growth", "scale=typo"], "scale=typo does not exist for erf_growth; allowed: null, quick, sm"),
        (["-m", "experiment=measure,erf_growth", "scale=null,quick"], "scale=quick does not exist for measure"),
        (["experiment=typo", "scale=quick"], "experiment='typo' is unknown; allowed: architectures, attention, "),
    ],
)
def test_a_scale_that_a_run_does_not_have_is_one_line(overrides, said, capsys):
    assert main(overrides) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {said}")
    assert error.count("\n") == 1
    assert not list(Path().iterdir())


def test_help_of_a_variant_shows_its_values(capsys):
    assert main(["experiment=erf_growth_deep", "--help"]) == 0
    out = capsys.readouterr().out
    assert "python run.py experiment=erf_growth_deep" in map(str.strip, out.splitlines())
    assert "[40,50,60,70,80,90,100]" in out
