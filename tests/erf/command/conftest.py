"""Files of networks, as users write them."""

import textwrap

import pytest

NET = """
    from torch import nn

    def small():
        return nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

    made = small()
    number = 3

    def fails():
        widths = [1, 2]
        return widths[5]

    def leaves():
        raise SystemExit("no data set")

    def multiline():
        raise RuntimeError("first\\nsecond")

    def needs(width):
        return nn.Conv2d(3, width, 3)

    def list_of():
        return [nn.Conv2d(3, 2, 3)]
"""


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(textwrap.dedent(NET))
    return path


NETWORKS = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.Conv2d(8, 8, 3))

def wide():
    return nn.Sequential(nn.Conv2d(3, 8, 11, padding=5))

def wider():
    return nn.Sequential(nn.Conv2d(3, 8, 13, padding=6))

def narrow():
    return nn.Sequential(nn.Conv2d(3, 8, 1))

def line():
    return nn.Sequential(nn.Conv1d(3, 8, 11, padding=5))

def deep():
    return nn.Sequential(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)))

def normed():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))

def flat():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 24 * 24, 5))
"""


@pytest.fixture
def network(tmp_path, monkeypatch):
    """Run beside a file of networks, and name the first of them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NETWORKS)
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.html").mkdir()
    return "net.py:make"
