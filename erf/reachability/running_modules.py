"""Which module of a network runs at any time of a pass, and what each returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import NamedTuple

from torch import nn
from torch._ops import OpOverload
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from erf.errors import InvalidInput


class _Place(NamedTuple):
    """An operator and where it is called, put into words only where they are needed."""

    func: OpOverload
    module: str

    def __str__(self) -> str:
        return f"{self.func} in {_called(self.module)}"


def _called(name: str) -> str:
    return f"module {name!r}" if name else "the network's own forward"


class RunningModules:
    """The modules that run, by hooks.

    Attributes:
        names: Of the network's modules.
    """

    def __init__(self, network: nn.Module, returned: Callable[[nn.Module, object], None]) -> None:
        """Call ``returned`` with each module of the network, and its output, when it returns."""
        self.names: dict[nn.Module, str] = {module: name for name, module in network.named_modules()}
        self._returned = returned
        self._running: list[str] = [""]
        self._thread = get_ident()
        self._elsewhere = ""  # what ran in another thread

    @property
    def running(self) -> str:
        """The name of the innermost module that runs."""
        return self._running[-1]

    def where(self) -> str:
        """Return how a message calls the place at which the network is."""
        return _called(self.running)

    def place_of(self, func: OpOverload) -> object:
        """Return what a message calls an operator that is called now."""
        return _Place(func, self.running)

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Know at any time which module runs. The hooks are torch's global ones: the network's own stay as they are."""
        handles = register_module_forward_pre_hook(self._enter), register_module_forward_hook(self._leave)
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: nn.Module, _args: object) -> None:
        if get_ident() == self._thread:
            self._running.append(self.names.get(module, self.running))
        elif module in self.names:
            runs = f"module {self.names[module]!r} runs in a thread of its own, where it cannot be followed"
            self._elsewhere = f"{runs}; a network that two threads measure must be measured in turn, or copied"

    def _leave(self, module: nn.Module, _args: object, output: object) -> None:
        if get_ident() != self._thread:
            return
        self._running.pop()
        if self._elsewhere:
            raise InvalidInput(self._elsewhere)
        if module in self.names:
            self._returned(module, output)
