"""Ask for fields of a network of every family of other packages: ``python scripts/coverage.py [--only NAMES]``.

Networks are untrained, as nothing is downloaded. Each has a process of its own, with a limit of CPU time and of memory.
The layers are those of ``experiment=measure``. Their fields are timed, and then judged by :func:`erf.check`, from the
last layer on, until ``--judge-seconds`` are over. A line a network is written as it goes, and in the end all lines join
the record, so that the same command goes on where it was stopped; ``--again`` measures some of the networks anew.
Packages that are not installed are left out, and the record says so: ``pip install "erf[coverage]"``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatch
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import msgspec
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # experiments are not installed

from erf import InternalError, InvalidInput, ReceptiveField, theoretical_receptive_field
from erf.agreement.agreement import check
from erf.agreement.judges import outside
from erf.errors import one_line
from erf.files.atomic_file import atomic_write
from erf.measurement.default_layers import default_layers
from experiments.claims.pages import with_block
from experiments.harness.environment import ROOT, Environment
from scripts.benchmarks.command import exit_code, to_json
from scripts.benchmarks.markdown import read
from scripts.benchmarks.memory import resident_peak
from scripts.coverage_of.candidate import Candidate, Ready
from scripts.coverage_of.networks import PACKAGES
from scripts.coverage_of.record import Judgement, Layer, Record, Row, sentence, summary, worst
from scripts.options import CORES_HERE, Number, Parser, filled_path, filled_text

RECORD = ROOT / "results" / "reference" / "coverage"
PAGE = ROOT / "docs" / "coverage.md"
MARKS = "<!-- coverage: written by scripts/coverage.py -->", "<!-- end of coverage -->"
GIB = 2**30
AGAIN = ("wrong", "unjudged", "assumptions", "refused", "not run")


def main(arguments: Sequence[str]) -> int:
    """Measure what is missing, write the record and print its table; return the exit code."""
    return exit_code(lambda: _cover(_options(arguments)))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser("coverage.py", __doc__)
    parser.add_argument("--packages", nargs="+", default=list(PACKAGES), choices=list(PACKAGES))
    parser.add_argument(
        "--only", nargs="+", type=filled_text, default=["*"], help="names of networks, or patterns of such"
    )
    parser.add_argument("--jobs", type=CORES_HERE, default=1, help="networks at once, each on one thread")
    parser.add_argument("--again", nargs="+", default=[], choices=AGAIN, help="networks to measure once more")
    parser.add_argument("--seconds", type=Number(), default=300, help="of CPU for a network")
    parser.add_argument(
        "--judge-seconds", type=Number(float, 0), default=30, help="of CPU after which no other layer is judged"
    )
    parser.add_argument("--gib", type=Number(float), default=12, help="of address space for a network")
    parser.add_argument("--output", type=filled_path, default=RECORD, help="the folder")
    return parser.parse_args(arguments)


def _cover(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    os.environ |= {"HF_HUB_OFFLINE": "1", "YOLO_OFFLINE": "true", "OMP_NUM_THREADS": "1"}
    start, environment = time.monotonic(), Environment.now("cpu")
    path, lines = options.output / "result.json", options.output / "rows.jsonl"
    recorded = read(path, Record, "coverage.py").rows if path.exists() else ()
    rows = {(row.package, row.name): row for row in (*recorded, *complete_rows(lines))}
    candidates, absent = _candidates(options.packages)
    for pattern in options.only:
        if not any(fnmatch(candidate.name, pattern) for candidate in candidates):
            raise InvalidInput(f"--only {pattern}: no network of these packages is called so")
    options.output.mkdir(parents=True, exist_ok=True)
    waiting = [candidate for candidate in candidates if _is_wanted(candidate, options, rows)]
    with ThreadPoolExecutor(options.jobs) as pool, lines.open("ab") as file:
        for row in pool.map(partial(measured_alone, options=options), waiting):
            rows[row.package, row.name] = row
            file.write(msgspec.json.encode(row) + b"\n")
            file.flush()
            print(f"{row.package} {row.name}: {row.outcome} {row.sentence}{' WRONG' * row.wrong}", flush=True)
    environment = replace(environment, seconds=time.monotonic() - start)
    listed = rows.keys() | {(candidate.package, candidate.name) for candidate in candidates}
    record = Record(environment, absent, len(listed), tuple(rows.values()))
    atomic_write(path, to_json(record))
    lines.unlink()
    print(summary(record))
    if options.output == RECORD:
        for page, text in ((PAGE, summary(record)), (ROOT / "README.md", sentence(record))):
            atomic_write(page, with_block(page.read_text(), *MARKS, text).encode())


def _candidates(packages: Sequence[str]) -> tuple[list[Candidate], tuple[str, ...]]:
    """Return what is to be made, one of each package after the other, and the packages that cannot be loaded."""
    absent, numbered = [], []
    for name in packages:
        try:
            numbered += enumerate(PACKAGES[name]())
        except ImportError as error:
            absent.append(name)
            print(f"{name} is left out: {one_line(error)}")
    return [candidate for _, candidate in sorted(numbered, key=lambda entry: entry[0])], tuple(absent)


def _is_wanted(candidate: Candidate, options: argparse.Namespace, rows: dict[tuple[str, str], Row]) -> bool:
    if not any(fnmatch(candidate.name, pattern) for pattern in options.only):
        return False
    row = rows.get((candidate.package, candidate.name))
    if row is None:
        return True
    unjudged = bool(row.layers) and not any(layer.judgements for layer in row.layers)
    return bool({*options.again} & {row.outcome, "wrong" * row.wrong, "unjudged" * unjudged})


def complete_rows(path: Path) -> list[Row]:
    """Return the rows of a file of lines, and take away one that was cut off while it was written."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    complete = [line for line in lines if line.endswith(b"\n")]
    if complete != lines:
        atomic_write(path, b"".join(complete))
    return [msgspec.json.decode(line, type=Row) for line in complete]


def measured_alone(candidate: Candidate, options: argparse.Namespace) -> Row:
    """Return the row of a network from a process of its own; as much of it as was known when its limits ended it."""
    context = multiprocessing.get_context("fork")
    ours, other = context.Pipe(duplex=False)
    process = context.Process(target=_send_rows, args=(candidate, options, other))
    process.start()
    other.close()
    row = Row(candidate.package, candidate.name, "not run", "it cannot be made within the limits")
    with suppress(EOFError):
        while ours in wait([ours, process.sentinel]):  # a process that was forked meanwhile keeps the other end open
            row = ours.recv()
    process.join()
    return row


def _send_rows(candidate: Candidate, options: argparse.Namespace, connection: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (int(options.gib * GIB), int(options.gib * GIB)))
    resource.setrlimit(resource.RLIMIT_CPU, (options.seconds, options.seconds + 5))
    with Path(os.devnull).open("w") as nowhere, warnings.catch_warnings(action="ignore"):
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        for row in measured(candidate, options.judge_seconds):
            connection.send(row)
    connection.close()
    os._exit(0)  # whatever the package has registered for the end is no matter


def measured(candidate: Candidate, judge_seconds: float) -> Iterator[Row]:
    """Yield what is known of a network: first that it ran, then its fields, then what the judges say."""
    row = Row(candidate.package, candidate.name, "not run")
    torch.manual_seed(0)
    try:
        ready = candidate.make()
        ready.module.eval()
        with torch.no_grad():
            ready.module(torch.randn(1, ready.channels, *ready.size))
    except Exception as error:  # another package's network may raise anything
        yield replace(row, sentence=f"{type(error).__name__}: {one_line(error)}")
        return
    row = replace(row, outcome="refused", sentence="no answer within the limits", size=ready.size)
    yield row
    yield from _with_fields(row, ready, judge_seconds)


def _with_fields(row: Row, ready: Ready, judge_seconds: float) -> Iterator[Row]:
    try:
        names: Any = default_layers(ready.module, ready.size, ready.channels, "eval") or None
        started, before = time.process_time(), _new_peak()
        fields = theoretical_receptive_field(ready.module, ready.size, names, channels=ready.channels)
        seconds, after = time.process_time() - started, resident_peak()
    except (InvalidInput, InternalError) as error:
        yield replace(row, outcome="fault" if isinstance(error, InternalError) else "refused", sentence=one_line(error))
        return
    except Exception as error:  # a fault of erf, which the record names
        yield replace(row, outcome="fault", sentence=f"{type(error).__name__}: {one_line(error)}")
        return
    of_layers = fields if isinstance(fields, dict) else {"": fields}
    layers = [Layer(name, "assumptions" if f.assumptions else "exact", f.assumptions) for name, f in of_layers.items()]
    mib = None if before is None or after is None else after - before
    row = replace(row, outcome=worst(layers), sentence="", seconds=seconds, mib=mib, layers=tuple(layers))
    yield replace(row, unjudged="the limits of CPU time or memory ended it")
    yield from _with_judgements(row, ready, of_layers, judge_seconds)


def _new_peak() -> float | None:
    """Let the process's peak memory be what it has now, and return that."""
    counters = Path("/proc/self/clear_refs")
    if counters.exists():
        counters.write_text("5")
    return resident_peak()


def _with_judgements(row: Row, ready: Ready, fields: dict[str, ReceptiveField], judge_seconds: float) -> Iterator[Row]:
    """Yield the row after each layer that was judged, the deepest first."""
    started = time.process_time()
    layers = list(row.layers)
    for at in reversed(range(len(layers))):
        if time.process_time() - started >= judge_seconds:
            break
        layers[at] = replace(layers[at], judgements=_judged(ready, layers[at].name, fields[layers[at].name]))
        row = replace(row, layers=tuple(layers))
        yield row


def _judged(ready: Ready, name: str, field: ReceptiveField) -> tuple[Judgement, ...]:
    """Return what the judges say of the middle unit; where its field is the whole image, of the first."""
    unit = None
    if field.grid is not None and not outside(field.box, ready.size).any():
        unit = (0,) * len(field.grid)
    try:
        agreement = check(ready.module, ready.size, name or None, unit, channels=ready.channels)
    except Exception as error:  # likewise, or of a network that cannot be judged: the record names it
        return (Judgement("outside", False, f"{type(error).__name__}: {one_line(error)}"),)
    return tuple(Judgement(finding.judge, finding.agrees, finding.words) for finding in agreement.findings)


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).parent))  # this file has the name of a package that others may load
    sys.exit(main(sys.argv[1:]))
