"""The progress of a measurement is told on a terminal."""

import pytest
import torch

from erf.command.measuring import PATIENCE, with_progress


@pytest.mark.parametrize("terminal", [True, False])
def test_only_a_terminal_that_waits_long_is_told(terminal, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    batches = [torch.zeros(0), torch.zeros(1)]
    seconds = iter([0, 1, PATIENCE + 1])
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    assert list(with_progress(batches)) == batches
    assert capsys.readouterr().err == ("\r1 groups of images measured\r\x1b[K" if terminal else "")
