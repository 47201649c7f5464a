import re

from experiments.harness.reference import REFERENCE
from experiments.report.section import section


def test_a_figure_says_its_message_and_where_its_maps_are():
    (figure,) = section(REFERENCE, "subsampling", "").pictures
    assert re.match(r"Strides, pooling and dilation enlarge the ERF: from \d+ to up to \d+ pixels", figure.message)
    assert figure.caption.startswith("Strides and pooling leave a grid")
    assert len(figure.maps) == 9  # of eight stacks, and the bar of colours
    assert all(0 < box.x < box.x + box.width < 1 and 0 < box.y < box.y + box.height < 0.7 for box in figure.maps)
    (figure,) = section(REFERENCE, "exact_theory", "").pictures
    assert figure.maps == ()
    assert figure.message.startswith("Measured maps agree with exact theory")
