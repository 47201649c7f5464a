"""The network to measure: one of torchvision's or timm's, or what a function in the user's own file makes."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import os
import pickle
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from erf.errors import InvalidInput, decoding, extra
from erf.files.tensor_file import load_tensors

UNTRAINED, PRETRAINED = "none", "DEFAULT"
# Where checkpoints keep the state dict beside other things.
WRAPPERS = (
    "state_dict", "model_state_dict", "model_state", "model", "network", "net", "params", "weights", "module",
    "network_weights", "state_dict_ema", "model_ema", "params_ema",
)  # fmt: skip
COUNTS = ("n_averaged",)  # what torch's average of weights keeps beside them
# What parallel training, training modules and compilation put before all names.
PREFIXES = ("module.", "model.", "net.", "network.", "_orig_mod.")
SUFFIXES = (".pt", ".pth", ".ckpt", ".safetensors")
SHOWN = 3  # mismatches of each kind in an error message


class Source(StrEnum):
    """Where the network comes from."""

    torchvision = "torchvision"
    timm = "timm"
    file = "file"


def make_network(source: Source, name: str, weights: str = UNTRAINED, seed: int = 0) -> nn.Module:
    """Return the network called ``name``, on the CPU; the global random state is as before.

    With ``source`` file, ``name`` is ``path/to/file.py:factory`` and **the code in that file is run**; nothing else
    that is read here can run code.

    Args:
        source: torchvision, timm or file.
        name: Of one of their models, or of a file and a function without arguments in it.
        weights: "none" (drawn from ``seed`` by the network's own initialization), "DEFAULT" (torchvision's or timm's
            pretrained ones), or a file as :func:`read_weights` takes it.
        seed: Of torch's random numbers while the network is made.

    Raises:
        InvalidInput: There is no such network, its code fails, or the weights cannot be had or do not fit.
    """
    require_network(source, name, weights)
    make = {Source.torchvision: _from_torchvision, Source.timm: _from_timm, Source.file: _from_file}[source]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(seed))
        network = make(name, weights == PRETRAINED)
    if weights not in (UNTRAINED, PRETRAINED):
        _load(network, read_weights(Path(weights)), f"weights={weights}", name)
    return network


def require_network(source: Source, name: str, weights: str = UNTRAINED) -> None:
    """Raise InvalidInput if it is known, without making the network, that it or its weights cannot be had."""
    if source is Source.file and weights == PRETRAINED:
        raise InvalidInput(
            "weights=DEFAULT: only torchvision and timm have such; allowed for the network of a file: none, PATH"
        )
    if source is Source.torchvision:
        with extra("cli"):
            from torchvision import models  # here: it takes seconds
        _require_known(name, models.list_models(), source)
    if source is Source.timm:
        with extra("timm"):
            import timm
        if not timm.is_model(name):
            _require_known(name, timm.list_models(), source)
    files_of(source, name, weights)


def files_of(source: Source, name: str, weights: str = UNTRAINED) -> list[Path]:
    """Return the files that the network is made from: the user's own, and that of the weights.

    Raises:
        InvalidInput: One of them is missing.
    """
    paths = [_split(name)[0]] if source is Source.file else []
    if weights not in (UNTRAINED, PRETRAINED):
        paths.append(_weights_file(Path(weights)))
    return paths


def _from_torchvision(name: str, pretrained: bool) -> nn.Module:
    from torchvision import models

    settings: dict[str, Any] = {"weights": PRETRAINED if pretrained else None}
    if "weights_backbone" in inspect.signature(models.get_model_builder(name)).parameters:
        settings["weights_backbone"] = None  # its default is to download a trained one
    try:
        with warnings.catch_warnings():
            # GoogLeNet and Inception announce that their initialization will change.
            warnings.filterwarnings("ignore", "The default weight initialization", FutureWarning)
            return models.get_model(name, **settings)
    except OSError as error:
        raise _not_had(name, error) from error


def _from_timm(name: str, pretrained: bool) -> nn.Module:
    import timm

    try:
        return timm.create_model(name, pretrained=pretrained)
    except RuntimeError as error:  # an unknown tag, or no pretrained weights
        raise InvalidInput(f"network={name} of timm: {error}") from error
    except OSError as error:
        raise _not_had(name, error) from error


def _not_had(name: str, error: OSError) -> InvalidInput:
    return InvalidInput(
        f"weights=DEFAULT of {name} could not be downloaded ({error}); allowed without a network: weights=none, PATH"
    )


def _require_known(name: str, names: Iterable[str], source: str) -> None:
    names = list(names)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=5, cutoff=0.3)
        raise InvalidInput(f"network={name!r} is not in {source}; nearest names: {', '.join(near or names[:5])}")


def _from_file(name: str, pretrained: bool) -> nn.Module:
    del pretrained  # refused before
    path, function = _split(name)
    with _users_code(path, name):
        names = _run(path)
    factory = _factory(path, function, names)
    with _users_code(path, name):
        network = factory()
    if not isinstance(network, nn.Module):
        raise InvalidInput(f"network={name} returned a {type(network).__name__}; allowed: a torch.nn.Module")
    return network


def _split(name: str) -> tuple[Path, str]:
    path, colon, function = name.rpartition(":")
    if not colon or not path.endswith(".py") or not function:
        raise InvalidInput(f"network={name!r}: allowed for the network of a file is path/to/file.py:factory")
    if not os.path.isfile(path):  # noqa: PTH113  # also for a name that no file can have
        raise InvalidInput(f"network={name}: there is no file {path}")
    return Path(path), function


def _run(path: Path) -> dict[str, Any]:
    """Run the user's file and return its names."""
    spec = importlib.util.spec_from_file_location(f"users_{path.stem}", path.resolve())
    assert spec is not None, "the name ends with .py"
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for their module
    spec.loader.exec_module(module)
    return vars(module)


def _factory(path: Path, function: str, names: Mapping[str, Any]) -> Callable[[], Any]:
    factory = names.get(function)
    if isinstance(factory, nn.Module) or not callable(factory):
        own = [name for name, value in names.items() if getattr(value, "__module__", "") == names["__name__"]]
        raise InvalidInput(
            f"network={path}:{function}: the file has no function or class of this name; "
            f"it has: {', '.join(own) or 'none'}"
        )
    return factory


@contextmanager
def _users_code(path: Path, name: str) -> Iterator[None]:
    """Let the user's file import its neighbours, and make one line that names the place of whatever it raises."""
    neighbours = str(path.resolve().parent)
    sys.path.insert(0, neighbours)
    try:
        yield
    except (Exception, SystemExit) as error:  # a user's code may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InvalidInput(f"network={name} failed at {_place(path, error)}: {reason}") from error
    finally:
        sys.path.remove(neighbours)


def _place(path: Path, error: BaseException) -> str:
    """Return the last line of the user's file that was being run, as file:line."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path.resolve())]
    return f"{path}:{lines[-1]}" if lines else str(path)


def _weights_file(path: Path) -> Path:
    if path.suffix not in SUFFIXES:
        endings = ", ".join(f"*{suffix}" for suffix in SUFFIXES)
        raise InvalidInput(f"weights={path}: allowed are none, DEFAULT and files {endings}")
    if not os.path.isfile(path):  # noqa: PTH113  # likewise
        raise InvalidInput(f"weights={path}: there is no such file")
    return path


def read_weights(path: Path) -> dict[str, Any]:
    """Return the state dict in a file, as it is or under the usual keys, nested or not; reading it runs no code.

    Raises:
        InvalidInput: There is no such file, its name ends otherwise than those of weights, it is damaged, or it holds
            anything but tensors and plain values.
    """
    _weights_file(path)
    with extra("cli"):
        from safetensors.torch import load_file
    with decoding(f"weights={path} is damaged: "):
        try:
            read: Any = load_file(path) if path.suffix == ".safetensors" else _load_file(path)
        except pickle.UnpicklingError as error:
            raise InvalidInput(
                f"weights={path} is damaged, or holds objects whose loading would run code; save network.state_dict() "
                "alone"
            ) from error
    state_dict = _innermost(read)
    if not _is_state_dict(state_dict):
        raise InvalidInput(f"weights={path} holds no state dict, neither as it is nor under {', '.join(WRAPPERS)}")
    return state_dict


def _load_file(path: Path) -> Any:
    with path.open("rb") as file:
        return load_tensors(file)


def _innermost(read: Any) -> Any:
    """Return what stands under the usual keys, one in another."""
    inside = [read[key] for key in WRAPPERS if isinstance(read, dict) and isinstance(read.get(key), dict)]
    return _innermost(inside[0]) if inside else read


def _is_state_dict(read: Any) -> bool:
    return (
        isinstance(read, dict)
        and all(isinstance(key, str) for key in read)
        and any(isinstance(value, Tensor) for value in read.values())
    )


def _load(network: nn.Module, weights: dict[str, Any], called: str, name: str) -> None:
    expected = {key: _shape(value) for key, value in network.state_dict().items()}
    for count in set(COUNTS) & weights.keys() - expected.keys():
        del weights[count]
    _take_prefix_off(weights, set(expected), called)
    odd = {key: _shape(value) for key, value in weights.items() if key in expected and _shape(value) != expected[key]}
    for key in odd:
        del weights[key]  # not a copy without them: the mapping itself carries the layers' versions
    try:
        outcome = network.load_state_dict(weights, strict=False)
    except (RuntimeError, ValueError) as error:  # a layer's own objection
        raise InvalidInput(f"{called} do not fit {name}: {' '.join(str(error).split())}") from error
    mismatches = {
        "missing": [key for key in outcome.missing_keys if key not in odd],
        "unexpected": outcome.unexpected_keys,
        "of another shape": [f"{key} {shape} instead of {expected[key]}" for key, shape in odd.items()],
    }
    if problems := [_some(kind, keys) for kind, keys in mismatches.items() if keys]:
        raise InvalidInput(f"{called} do not fit {name}: {'; '.join(problems)}")


def _take_prefix_off(weights: dict[str, Any], expected: set[str], called: str) -> None:
    """Take off what stands before all names, unless the network has one of these; say so."""
    taken = ""
    while prefix := next((p for p in PREFIXES if all(key.startswith(p) for key in weights)), ""):
        if expected & weights.keys():
            break
        consume_prefix_in_state_dict_if_present(weights, prefix)
        taken += prefix
    if taken:
        warnings.warn(f"{called}: {taken!r}, which stands before all of its names, is taken off", stacklevel=2)


def _shape(value: Any) -> str:
    return str(list(value.shape)) if isinstance(value, Tensor) else type(value).__name__


def _some(kind: str, keys: list[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return f"{len(keys)} {kind} ({', '.join(keys[:SHOWN])}{more})"
