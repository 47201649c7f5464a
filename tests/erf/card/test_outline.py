"""Outlines against the edges of every pixel, one by one."""

import re

import numpy as np
import pytest

from erf.card.outline import outline


def edges(path: str) -> list[tuple[str, int, int]]:
    """Return every edge of one pixel that a path goes along: its direction and where it begins."""
    strokes = re.findall(r"M(\d+) (\d+)([hv])(\d+)", path)
    assert path == "".join(f"M{x} {y}{way}{length}" for x, y, way, length in strokes)
    return [
        (way, int(x) + step * (way == "h"), int(y) + step * (way == "v"))
        for x, y, way, length in strokes
        for step in range(int(length))
    ]


def border(region: np.ndarray) -> set[tuple[str, int, int]]:
    inside = {(int(row), int(column)) for row, column in np.argwhere(region)}
    sides = [("h", 0, 0, -1, 0), ("h", 1, 0, 1, 0), ("v", 0, 0, 0, -1), ("v", 0, 1, 0, 1)]
    return {
        (way, column + right, row + down)
        for row, column in inside
        for way, down, right, up, along in sides
        if (row + up, column + along) not in inside
    }


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_the_path_goes_once_along_each_edge_between_inside_and_outside(share):
    region = np.random.default_rng(1).uniform(size=(7, 11)) < share
    along = edges(outline(region))
    assert len(along) == len(set(along))
    assert set(along) == border(region)


def test_a_rectangle_is_four_strokes():
    region = np.zeros((9, 9), bool)
    region[2:5, 1:7] = True
    assert sorted(re.split("(?=M)", outline(region))[1:]) == ["M1 2h6", "M1 2v3", "M1 5h6", "M7 2v3"]
