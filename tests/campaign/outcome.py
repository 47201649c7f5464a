"""What became of a call: each runs in a process of its own, whose output, exit and files are looked at."""

from __future__ import annotations

import hashlib
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from tests.campaign.call import Call
from tests.campaign.of_scripts import MAINS, SEAMS, main_of

SECONDS = 20  # of CPU, within which a call is refused
MEASURING, LARGE = 60, 4  # of CPU, for an allowed call, and for one with a large number: it is then stopped
GIB_MORE = 3  # of address space than the process has before the call
KINDS = ("clean", "allowed", "long", "traceback", "unclear", "accepted", "slow", "changed")
GOOD = ("clean", "allowed", "long")
TRAINED = re.compile(r" (in|after) epoch \d")  # what nothing but training shows: the files of its folder stay
ACCEPTED = "the campaign ends it here: accepted"
# Words of other tools, which say nothing to a user.
FOREIGN = (
    "Exception", "object has no", "unhashable", "Could not create", "hydra.cc", "usage:", "Warning", "NoneType",
    "mismatched input", "token recognition", "unexpected keyword", "Errno", "not supported between", "OmegaConf",
    "ListConfig", "ValueError", "TypeError", "OverflowError", "Error executing",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """A call, of which kind its end is (one of KINDS), and the last of what it said."""

    call: Call
    kind: str
    said: str

    def __str__(self) -> str:
        return f"{self.kind:10}{self.call}\n          {self.said[-400:]}"


def outcome_of(call: Call, folder: Path) -> Outcome:
    """Run a call in ``folder`` and return what became of it; a refused one must have changed no file there."""
    before = digest(folder)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = _in_child(call, folder, (out.fileno(), err.fileno()))
        printed, errors = (_text(file.fileno()) for file in (out, err))
    kind = _kind(call, code, printed, errors)
    if kind in ("clean", "unclear") and digest(folder) != before:
        is_expected = TRAINED.search(errors) or "sweep " in printed  # whose other jobs go on
        kind = "allowed" if kind == "clean" and call.allowed and is_expected else "changed"
    return Outcome(call, kind, f"code {code}: {errors.strip() or printed.strip()[-80:]}")


def _kind(call: Call, code: int, printed: str, errors: str) -> str:
    if "Traceback" in printed + errors or (code < 0 and code not in (-signal.SIGXCPU, -signal.SIGKILL)):
        return "traceback"
    if code < 0:
        return "long" if call.allowed and call.is_large else "slow"
    if code == 0 or ACCEPTED in printed:
        return "allowed" if call.allowed else "accepted"
    lines = errors.strip().splitlines()
    said = lines[-1] if lines else ""
    is_ours = bool(re.match(r"(error|erf): \S", said)) and len(lines) <= 3
    names = any(name in said for name in call.names if name) or "out of memory" in said
    return "clean" if is_ours and names and not any(word in errors for word in FOREIGN) else "unclear"


def _seconds(call: Call) -> int:
    if not call.allowed:
        return SECONDS
    return LARGE if call.is_large else MEASURING


def _in_child(call: Call, folder: Path, streams: tuple[int, int]) -> int:
    """Return the exit code of a call, negative where a signal ended it."""
    child = os.fork()
    if not child:
        _be(call, folder, streams)
    end = time.monotonic() + 20 * _seconds(call)  # of a process that waits
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _be(call: Call, folder: Path, streams: tuple[int, int]) -> None:
    """Be the process of a call."""
    code = 99
    try:
        os.chdir(folder)
        for number, stream in enumerate(streams, 1):
            os.dup2(stream, number)
        sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
        spent = sum(os.times()[:2])
        limit = int(spent + _seconds(call)) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
        most = _address_space() + GIB_MORE * 2**30
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        code = _command(call)()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _command(call: Call) -> Callable[[], int]:
    from experiments.harness import cli
    from scripts import fetch_data

    sys.argv[:] = ["run.py"]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    if call.command == "run":
        return lambda: cli.main(call.arguments)
    if call.command == "erf":
        from erf.command.cli import main

        return lambda: main(call.arguments)
    script = sys.modules[f"scripts.{call.command}"] if call.command in MAINS else fetch_data
    if call.command in SEAMS:
        patch.object(script, SEAMS[call.command], lambda *_: print(ACCEPTED) or sys.exit(0)).start()
    patch.object(fetch_data.urllib.request, "urlopen", side_effect=fetch_data.urllib.error.URLError("no net")).start()
    return lambda: main_of(call.command)(list(call.arguments))


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _text(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, min(size, 100_000), 0).decode("utf-8", "replace")


def digest(folder: Path) -> str:
    """Return a digest of the names and contents of all files in a folder."""
    digested = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts:
            digested.update(f"{path}\0".encode() + path.read_bytes())
    return digested.hexdigest()
