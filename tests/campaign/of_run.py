"""Calls of run.py: a value that fits its field badly, or a command line that is put together wrongly."""

from __future__ import annotations

import random
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints

from experiments.harness.about import about
from experiments.harness.experiment import experiment_names, load
from tests.campaign.call import NOT_NUMBERS, NUMBERS, WORDS, Call
from tests.campaign.documented import is_documented

STRUCTURES = [
    (["--foo"], ["--foo"]),
    (["-x"], ["-x"]),
    (["--cfg"], ["--cfg"]),
    (["-m", "--multi-run"], ["--multi-run"]),
    (["nokey"], ["nokey"]),
    (["=3"], ["=3"]),
    (["unknown=3"], ["unknown"]),
    (["+unknown=3"], ["unknown"]),
    (["++unknown.x=3"], ["unknown"]),
    (["seed.x=1"], ["seed.x"]),
    (["~seed"], ["seed"]),
    (["+seed=1"], ["seed"]),
    (["seed=1,2"], ["seed=1,2"]),
    (["seed=choice(1"], ["seed"]),
    (["seed=range(1,5"], ["seed"]),
    (["-m", "seed=range(5,5)"], ["seed"]),
    (["-m", "seed=range(1,1000000000)"], ["jobs"]),
    (["-m", "seed=1,x"], ["seed"]),
    (["seed=1,", "-m"], ["seed"]),
    (["scale=nope"], ["scale"]),
    (["scale=[a]"], ["scale"]),
    (["scale=smallest"], ["scale"]),
    (["experiment=kernels"], ["experiment"]),
    (["hydra=5"], ["hydra"]),
    (["hydra/launcher=nope"], ["launcher"]),
    (["-m", "hydra/launcher=ray"], ["ray"]),
    (["-m", "hydra/launcher=submitit_slurm"], ["slurm"]),
    (["hydra/sweeper=nope"], ["sweeper"]),
    (["-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=0"], ["n_jobs"]),
    (["-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=100000"], ["n_jobs"]),
    (["hydra.nope=1"], ["hydra.nope"]),
    (["hydra.run=3"], ["hydra.run"]),
    (["hydra.run.dir=[1]"], ["hydra.run.dir"]),
    (["hydra.run.dir=null"], ["hydra.run.dir"]),
    (["hydra.run.dir=a b ü"], ["hydra.run.dir"]),
    (["hydra.run.dir=file.txt"], ["file.txt"]),
    (["hydra.run.dir=file.txt/x"], ["file.txt"]),
    (["hydra.run.dir=/proc/nope"], ["/proc/nope"]),
    (["hydra.job.num=x"], ["hydra.job.num"]),
    (["name=other"], ["name"]),
    (["schema=kernels"], ["schema"]),
    (["{a:1}"], ["{a:1}"]),
    (["[1,2]"], ["[1,2]"]),
    ([""], ["''"]),
    (["é=1"], ["é"]),
    (["seed=1 2"], ["seed"]),
    (["seed=\n"], ["seed"]),
]
WITHOUT_EXPERIMENT = [["-m"], ["seed=1"], ["kernels"], ["experiment="], ["experiment=nope"], ["experiment=[kernels]"]]
WITHOUT_EXPERIMENT += [["experiment=kernels,nope", "-m"], ["experiment=../x"], ["experiment=ü"], ["experiment=null"]]


def drawn(random: random.Random) -> Call:
    """Return a call: three of four give one field a value, the others are put together wrongly."""
    name = random.choice(experiment_names())
    base = (f"experiment={name}", "scale=smallest", *(["data_dir=data", "partial_data=true"] * bool(about(name).data)))
    kind = random.random()
    if kind < 0.04:
        arguments = random.choice(WITHOUT_EXPERIMENT)
        return Call("run", tuple(arguments), ("experiment",), allowed=False)
    if kind < 0.25:
        more, names = random.choice(STRUCTURES)
        return Call("run", (*base, *more), tuple(names), allowed=False)
    types = get_type_hints(load(name).Config)
    key = random.choice([key for key in types if key != "name"])
    text = _value(random, types[key])
    sweep = ("-m",) if random.random() < 0.1 else ()
    return Call(
        "run", (*sweep, *base, f"{key}={text}"), (key,), is_documented(name, key, types[key], text, bool(sweep))
    )


def _value(random: random.Random, kind: Any) -> str:
    if kind is Any:
        return random.choice([*NUMBERS, *NOT_NUMBERS, "[[1,2],[3]]", "[1,2,3,4]", "[0,0]", "[-1,2]", "[[1,1],[1,1]]"])
    if get_origin(kind) is list:
        return _list(random, *get_args(kind))
    if get_args(kind):
        return _value(random, random.choice(get_args(kind)))
    if kind in (int, float):
        return random.choice([*NUMBERS, *NOT_NUMBERS])
    if kind is bool:
        return random.choice(["maybe", "2", "null", "[true]", "1.0", "''", "ü", "{a:1}", "yes"])
    if issubclass(kind, Enum):
        return random.choice([*WORDS, "0", str(next(iter(kind.__members__))).upper()])
    return random.choice(WORDS)


def _list(random: random.Random, kind: Any) -> str:
    one = _value(random, kind)
    several = ["[]", one, f"[{one}]", f"[[{one}]]", f"[{one},{one}]", "null", "{a:1}", "[null]", "[", f"[{one},"]
    return random.choice([*several, f"[{_value(random, kind)},{one}]"])
