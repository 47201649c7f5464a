"""What scripts/reproduce.py measures: the reference's runs and studies, as they are, at reduced size, or repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from experiments.harness.cli import config_of, folder_of, jobs_of, main
from experiments.harness.environment import ROOT
from experiments.harness.experiment import experiment_of, load_study
from experiments.harness.override import sweep_overrides
from experiments.harness.record import is_complete
from experiments.harness.reference import REFERENCE
from experiments.harness.reference_runs import RUNS, STUDIES
from experiments.harness.run_folder import require_data, study_folder
from scripts import gather_sweep

Sweeps = tuple[tuple[str, ...], ...]  # each by the overrides of run.py -m


@dataclass(frozen=True)
class Run:
    """A run, by the overrides of run.py that measure it, and the folder of its record."""

    overrides: Sequence[str]
    folder: Path

    def left(self) -> float:
        """Return the share that is not measured yet."""
        return 0.0 if is_complete(self.folder) else 1.0

    def measure(self, others: Sequence[str]) -> int:
        """Measure it with ``others``, which say where or how, not what; return the exit code."""
        return main([*self.overrides, *others])


@dataclass(frozen=True)
class Study:
    """A study, by its sweeps, and the folder of all their jobs and of the record that is gathered from them."""

    sweeps: Sweeps
    folder: Path

    def left(self) -> float:
        """Return the share of jobs that are not measured yet, counting the record as one."""
        jobs = sum(len(jobs_of(sweep)) for sweep in self.sweeps)
        done = sum(map(is_complete, [self.folder, *self.folder.glob("[!.]*/")]))
        return 1 - done / (jobs + 1)

    def measure(self, others: Sequence[str]) -> int:
        """Measure the jobs with ``others`` and gather them unless one failed; return the exit code."""
        for sweep in self.sweeps:
            if code := main(["-m", *sweep, *others, f"hydra.sweep.dir={self.folder}"]):
                return code
        return gather_sweep.main([str(self.folder)])


@dataclass(frozen=True)
class Evidence:
    """Runs and studies, by the overrides of run.py that measure them, and the folder that their records are copied to.

    ``pace`` is a guess of how long they take, in units of how long the reference took; ``option`` of this script
    chooses them; ``note`` stands in the report.
    """

    folder: Path
    runs: dict[str, tuple[str, ...]]
    studies: dict[str, Sweeps] = field(default_factory=dict)
    pace: float = 1.0
    option: str = ""
    note: str = ""

    def names(self) -> list[str]:
        """Return the names of all runs and studies."""
        return [*self.runs, *self.studies]

    def task(self, name: str, others: Sequence[str] = ()) -> Run | Study:
        """Return what measures ``name`` with ``others``: a study's launcher, and where the data lie.

        Raises:
            InvalidInput: Its settings or ``others`` are unusable, or its record is of other data.
        """
        if name not in self.studies:
            return Run(self.runs[name], folder_of([*self.runs[name], *others]))
        sweeps = self.studies[name]
        folder = study_folder(name, experiment_of(name), sweeps)
        for sweep in sweeps:
            require_data(folder, config_of([*jobs_of(sweep)[0], *others]))
        return Study(sweeps, folder)

    def commands(self) -> dict[str, str]:
        """Return the commands that measure each of them."""
        script = " ".join(["python scripts/reproduce.py", *self.option.split(), "--only"])
        runs = {name: " ".join(["python run.py", *overrides]) for name, overrides in self.runs.items()}
        return runs | {name: f"{script} {name}" for name in self.studies}


def _runs(*others: str) -> dict[str, tuple[str, ...]]:
    """Return the overrides of each reference run, with ``others``."""
    return {name: (f"experiment={name}", *others) for name in RUNS}


def _studies(first_seed: int, quick: bool = False) -> dict[str, Sweeps]:
    """Return the sweeps of each reference study."""
    return {name: _sweeps(name, first_seed, quick) for name in STUDIES}


def _sweeps(name: str, first_seed: int, quick: bool) -> Sweeps:
    study = load_study(experiment_of(name))
    assert study, f"{name} has no study.py"
    instead, scale = (study.quick, ("scale=quick",)) if quick else ({}, ())
    return tuple((*sweep_overrides(name, {**sweep, **instead}), *scale) for sweep in study.sweeps(first_seed))


VERIFY_SEED = 1  # the reference's is 0
SEEDS_OF_STUDIES = 50  # apart lie the first seeds of studies from one verification to the next
FULL = Evidence(REFERENCE, _runs(), _studies(0))
REDUCED = Evidence(
    ROOT / "results" / "quick",
    _runs("scale=quick"),
    _studies(0, quick=True),
    pace=0.1,
    option="--quick",
    note="Measured at reduced size, to see that everything runs: the evidence is in results/reference/.",
)


def repeated(seed: int = VERIFY_SEED) -> Evidence:
    """Return what measures all again at another seed than the reference's 0."""
    first = SEEDS_OF_STUDIES * seed
    return Evidence(
        ROOT / "results" / ("verify" if seed == VERIFY_SEED else f"verify-{seed}"),
        _runs(f"seed={seed}"),
        _studies(first),
        option="--verify" if seed == VERIFY_SEED else f"--verify {seed}",
        note=f"Measured again at seed {seed}, studies at seeds from {first} on, to be compared with "
        "results/reference/.",
    )
