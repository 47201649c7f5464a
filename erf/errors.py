"""Errors: for what the caller can mend, for a missing package, for faults of erf; and how a command says them."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LONGEST_LINE = 2000  # characters of a message
LONGEST = 600  # characters of what other code says
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
# What torch and numpy say of tensors that the memory, or an address, has no room for.
NO_ROOM = ("out of memory", "can't allocate memory", "Storage size calculation overflowed", "array is too big")
NO_ROOM += ("Maximum allowed dimension exceeded", "can't start new thread")


class InvalidInput(ValueError):
    """An argument or a configuration cannot be used; the message, one line, says what, where and what is allowed."""

    def __init__(self, message: str) -> None:
        text = " ".join(message.splitlines())
        super().__init__(text if len(text) <= LONGEST_LINE else f"{text[: LONGEST_LINE // 2]} ... {text[-500:]}")


class MissingPackage(ImportError, InvalidInput):
    """A package that this part of erf needs is not installed; the message says how to install it."""


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Let an import inside that fails for want of a package name the extra of pyproject.toml that installs it.

    Raises:
        MissingPackage: The package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        message = f'{error.name} is not installed; this installs it: pip install "erf[{name}]"'
        raise MissingPackage(message, name=error.name) from error


def one_line(error: BaseException) -> str:
    """Return what an error says, on one line; of other code's the middle may be left out."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:  # Python would put the error's number before
        text = f"{error.filename or 'output'}: {error.strerror}"
    text = " ".join(text.split())
    is_whole = isinstance(error, InvalidInput) or len(text) <= LONGEST
    return text if is_whole else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether ``error`` says that a device, or the machine, has no memory left."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in NO_ROOM)


def without_room(error: Exception) -> str:
    """Return what to say where memory ran out; "" for another error, and where what ran out is named already."""
    if isinstance(error, InvalidInput) or not is_out_of_memory(error):
        return ""
    return f"out of memory; smaller values need less ({one_line(error)})"


def exit_code(
    command: Callable[[], int | None],
    name: str = "error",
    users_errors: tuple[type[Exception], ...] = (InvalidInput, OSError),
    interrupted: str = "interrupted",
    words: Callable[[Exception], str] = one_line,
) -> int:
    """Run a command and return its exit code; a fault of erf or of the command keeps its traceback.

    Args:
        command: Returns the exit code; None is 0.
        name: Stands before what the user can mend, which is one line on stderr and exit code 1.
        users_errors: Those that the user can mend, besides memory that runs out.
        interrupted: What is said at Ctrl-C, whose exit code is 130.
        words: Returns what such an error says.
    """
    escape_what_cannot_be_encoded()
    try:
        code = command() or 0
        sys.stdout.flush()  # a full disk is found here and not after the end
        return code
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return INTERRUPTED
    except Exception as error:  # what is neither the user's nor for want of memory goes on
        if not isinstance(error, users_errors) and not is_out_of_memory(error):
            raise
        print(f"{name}: {without_room(error) or words(error)}", file=sys.stderr)
        if isinstance(error, BrokenPipeError):  # the reader, as head is, has seen enough: the rest goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def escape_what_cannot_be_encoded() -> None:
    """Let stdout and stderr print a character that their encoding has not as an escape, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class InternalError(Exception):
    """A fault of erf itself, which nothing in the input mends; the message asks for a report."""

    def __init__(self, what: str) -> None:
        super().__init__(f"erf fails {what}; this is a fault of erf, not of the network: please report it")


class own_faults:  # as contextlib.suppress is spelt; it is entered for every operator of a pass
    """Let whatever goes wrong inside, but for what the user can mend, be a fault of erf."""

    def __init__(self, at: object) -> None:
        self._at = at

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, InvalidInput | InternalError):
            raise InternalError(f"at {self._at}: {type(error).__name__}: {error}") from error


@contextmanager
def decoding(before: str, after: str = "") -> Iterator[None]:
    """Let whatever is raised inside, where a file is decoded, be an InvalidInput whose line has these ends.

    Other packages' decoders raise almost anything on a damaged file, and each release something else.
    """
    try:
        yield
    except InvalidInput:
        raise
    except Exception as error:  # of another package's decoder
        raise InvalidInput(f"{before}{one_line(error) or type(error).__name__}{after}") from error
