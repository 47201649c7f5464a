"""Calls of the command erf: options with values that fit badly, networks and files that are not there."""

from __future__ import annotations

import random

from tests.campaign.call import NUMBERS, WORDS, Call

NETWORKS = ["nope", "resnet", "ü", "", "net.py", "net.py:nope", "missing.py:make", "net.py:fails", "net.py:number"]
NETWORKS += ["timm:nope", "foo:resnet18", "file.txt:make", "broken.py:make", "net.py:", ":make", "net.py:make:make"]
FILES = ["missing.pt", "file.txt", "garbage.pt", "garbage.safetensors", "pictures", "", "ü.pt", "DEFAULT "]
FOLDERS = ["missing", "file.txt", "", "empty", "ü", "garbage_pictures", "/proc/1/mem"]
SAVES = ["card.txt", "missing/card.html", "card", "", "pictures", "file.txt", "existing.html", "/proc/nope/card.html"]
SIZES = [*NUMBERS, "x", "", "1,2,3,4", ",", "5,,5", "0,5", "5;5", "٣", "５", "1" * 40]
OPTIONS = {
    "--input": SIZES,
    "--channels": [*NUMBERS, "x", ""],
    "--weights": FILES,
    "--seed": [*NUMBERS, "x", ""],
    "--layers": ["nope", "", ",", "a,b", "ü", "0,0", "00"],
    "--images": FOLDERS,
    "--samples": [*NUMBERS, "x", ""],
    "--statistic": [*WORDS, "signed_mean", ""],
    "--precision": [*WORDS, "float8", "float32", ""],
    "--device": [*WORDS, "cuda:99", "mps:1", ""],
    "--save": SAVES,
    "--layer": ["nope", "", "ü", "00"],
    "--mode": [*WORDS, "train", ""],
    "--unit": ["", "x", "3", "1,2,3", "-1,2", "999,999", "1e3,1", "٣,٣", "1,", ",", "1.5,1", "1" * 40 + ",1"],
    "--aggregation": [*WORDS, "-1", "99", "1e3", "٣", "1" * 40, ""],
    "--sort": [*WORDS, "ratio,", ""],
    "--overwrite": ["x"],
    "--nope": ["x"],
    "--weights-b": FILES,
    "--json": ["x"],
}
TAKEN = {"": {"--layers", "--images", "--samples", "--statistic", "--device", "--unit", "--aggregation", "--mode"}}
TAKEN[""] |= {"--input", "--precision"}
TAKEN |= {"compare": TAKEN[""] | {"--weights-b", "--sort"}, "fields": {"--input", "--layer", "--mode"}}
TAKEN["halo"] = {"--layer", "--mode"}
TAKEN[""] |= {"--save", "--overwrite"}
MOST = {"--seed": 2**63}
LEAST = {"--channels": 1, "--seed": 0, "--samples": 1, "--input": 1}


def drawn(random: random.Random) -> Call:
    """Return a call with one option, or one network, that is bad."""
    command = random.choice([*TAKEN])
    words = [command] if command else []
    networks = ["net.py:make"] * (2 if command == "compare" else 1)
    little = {"--input": "16", "--samples": "2"}
    small = [word for option in little if option in TAKEN[command] for word in (option, little[option])]
    if random.random() < 0.25:
        networks[-1] = random.choice(NETWORKS)
        return Call("erf", (*words, *networks, *small), (networks[-1] or "network", "network", "NETWORK", "B"), False)
    if random.random() < 0.1:
        more = random.choice([["net.py:make", "net.py:make"], ["--input"], ["-z"], ["fields"]])
        is_allowed = command == "compare" and more[0] in networks  # which takes any number of networks
        return Call("erf", (*words, *networks, *small, *more), (more[-1], "required", "unrecognized"), is_allowed)
    option = random.choice([*OPTIONS])
    value = random.choice(OPTIONS[option])
    known = option in TAKEN[command] or option in ("--channels", "--weights", "--seed")
    return Call(
        "erf",
        (*words, *networks, *small, option, value),
        (option, option[2:].removesuffix("-b"), *filter(None, [value]), *map(repr, value.split(","))),
        known and _fits(option, value),
    )


def _fits(option: str, value: str) -> bool:
    return (
        option in LEAST
        and value.isascii()
        and value.isdecimal()
        and LEAST[option] <= int(value) < MOST.get(option, 2**31)
    )
