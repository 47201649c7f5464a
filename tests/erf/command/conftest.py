"""A user's file of networks."""

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
