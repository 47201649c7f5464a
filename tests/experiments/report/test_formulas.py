import re

import pytest
from matplotlib.textpath import TextPath

from erf.errors import InvalidInput
from experiments.report.formulas import EM, FONT, displayed, inline, with_formulas

PATH = re.compile(r' d="((?:[MLQC]-?\d[-\d ]*|Z)+)"')


def drawn(svg):
    """Return the points of a picture's path and its box; all of both are numbers."""
    (path,) = PATH.findall(svg)
    left, top, width, height = map(int, re.search(r'viewBox="(-?\d+) (-?\d+) (\d+) (\d+)"', svg).groups())
    numbers = [*map(int, re.findall(r"-?\d+", path))]
    return [*zip(numbers[::2], numbers[1::2], strict=True)], (left, top, left + width, top + height)


@pytest.mark.parametrize(
    "tex", ["x", r"S_{\theta}", r"\sigma = \sqrt{n (k^2 - 1) / 12}", r"\frac{\partial y}{\partial x}"]
)
def test_a_formula_is_a_path_within_its_box_in_the_colour_of_the_text(tex):
    svg = inline(tex)
    assert f'aria-label="{tex}"' in svg
    assert 'fill="currentColor"' in svg
    points, (left, top, right, bottom) = drawn(svg)
    assert all(left - 1 <= x <= right + 1 and top - 1 <= y <= bottom + 1 for x, y in points)
    assert min(x for x, _ in points) <= left + 1
    assert max(y for _, y in points) >= bottom - 1
    exact = TextPath((0, 0), f"${tex}$", size=EM, prop=FONT).get_extents()
    assert (left, -top) == (round(exact.x0), round(exact.y1))
    assert (right - left, bottom - top) == (round(exact.width), round(exact.height))


def test_what_stands_below_the_line_of_text_does_so_in_the_picture():
    depths = {tex: float(re.search(r"vertical-align:(-?[\d.]+)em", inline(tex))[1]) for tex in ("x", "p", "x_i")}
    assert depths["p"] < -0.1 < depths["x"]
    assert depths["x_i"] < -0.05


def test_each_formula_is_a_picture():
    assert displayed("a = b, \\quad\nc").count("<svg") == 2
    assert displayed("a = b\nc") == displayed("a = b c")


def test_blocks_of_math_become_pictures_and_the_rest_stays():
    text = "before\n\n```math\nx\ny\n```\n\n```text\n```\nafter\n"
    before, picture, after = re.split("(<div.*</div>)", with_formulas(text))
    assert (before, after) == ("before\n\n", "\n\n```text\n```\nafter\n")
    assert picture == displayed("x\ny")


def test_what_is_no_formula_is_said():
    with pytest.raises(InvalidInput, match=r"formula '\\\\nothing': .*Unknown symbol"):
        inline(r"\nothing")
