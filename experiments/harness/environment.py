"""Where, when and with which code a record was measured."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from erf.arguments.device import resolve_device

ROOT = Path(__file__).parents[2]
CODE = ("erf", "experiments", "conf", "scripts", "run.py", "pyproject.toml")
PACKAGES = ("torch", "numpy", "scipy", "hydra-core", "erf")


@dataclass(frozen=True)
class Environment:
    """Where, when and with which code a record was measured.

    Attributes:
        commit: Of the repository; None outside a checkout.
        earlier_commits: With which the first parts of an interrupted training were done, where they were others.
        earlier_devices: Likewise, the devices that the first parts were done on.
        dirty: Whether the code differs from that commit; None outside a checkout.
        versions: Of Python and of the packages that numbers may depend on; None where not installed.
        platform: Operating system and architecture.
        device: Name of the device that computed.
        threads: CPU threads of torch.
        started: Time in UTC, ISO 8601.
        seconds: Duration; of an interrupted run, of its last part only.
    """

    commit: str | None
    dirty: bool | None
    versions: dict[str, str | None]
    platform: str
    device: str
    threads: int
    started: str
    seconds: float = 0.0
    earlier_commits: tuple[str, ...] = ()
    earlier_devices: tuple[str, ...] = ()

    @classmethod
    def now(cls, device: str) -> Environment:
        """Return the environment of a measurement that starts now on ``device`` ("auto", "cpu", "cuda", ...)."""
        changes = _git("status", "--porcelain", "--", *CODE)
        return cls(
            commit=_git("rev-parse", "HEAD"),
            dirty=None if changes is None else changes != "",
            versions={"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
            platform=platform.platform(),
            device=_device_name(resolve_device(device)),
            threads=torch.get_num_threads(),
            started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        )


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
    except FileNotFoundError:  # git is not installed
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # erf itself, run from a checkout
        return None


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({_processor()}, {os.cpu_count()} cores)"


def _processor() -> str:
    """Return the processor's name where the system tells it, else its kind."""
    told = Path("/proc/cpuinfo")
    name = re.search(r"model name\s*:\s*(.+)", told.read_text()) if told.exists() else None
    return name[1].strip() if name else platform.processor() or platform.machine()
