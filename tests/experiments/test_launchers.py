"""The settings of our launchers go with those of their plugins."""

from pathlib import Path

import pytest
from hydra.core.config_store import ConfigNode, ConfigStore
from omegaconf import OmegaConf

from experiments.harness.cli import config_of

LAUNCHERS = Path(__file__).parents[2] / "conf" / "hydra" / "launcher"


@pytest.mark.parametrize(
    ("launcher", "plugin"), [("ray", "hydra_ray_launcher"), ("submitit_slurm", "hydra_submitit_launcher")]
)
def test_our_launchers_name_their_plugins_whether_or_not_installed(launcher, plugin):
    settings = OmegaConf.load(LAUNCHERS / f"{launcher}.yaml")
    assert settings._target_.startswith(f"hydra_plugins.{plugin}.")


@pytest.mark.parametrize("launcher", ["ray", "submitit_slurm"])
def test_settings_of_ours_for_a_launcher_go_over_those_of_its_plugin_in_silence(launcher, monkeypatch):
    monkeypatch.setattr("experiments.harness.arguments.distributions", lambda name: [name])
    schemas = ConfigStore.instance().repo["hydra"].setdefault("launcher", {})
    name = f"{launcher}.yaml"
    monkeypatch.setitem(schemas, name, ConfigNode(name, OmegaConf.create(), group=None, package=None, provider=None))
    assert config_of(["experiment=erf_growth", f"hydra/launcher={launcher}"]).name == "erf_growth"


def test_no_launcher_of_ours_is_left_untested():
    assert {path.stem for path in LAUNCHERS.iterdir()} == {"ray", "submitit_slurm"}
