"""What was spelled otherwise in 0.1 still works, and says so."""

import numpy as np
import pytest

from erf import InfluenceMap, InvalidInput, erf_size, fit_gaussian
from erf.spelling import NEW, in_spelling_of_0_1, respelled
from erf.theory import ConvLayer, influence_map


@pytest.fixture
def imap() -> InfluenceMap:
    return influence_map([ConvLayer(3)] * 4)


def test_a_map_and_a_fit_have_their_center_by_its_old_name_too(imap):
    fit = fit_gaussian(imap)
    with pytest.warns(DeprecationWarning, match=r"InfluenceMap\.centre is spelled center; erf 0\.3 will not"):
        assert imap.centre == imap.center == (4.0, 4.0)
    with pytest.warns(DeprecationWarning, match=r"GaussianFit\.centre"):
        np.testing.assert_array_equal(fit.centre, fit.center)
    with pytest.warns(DeprecationWarning, match=r"Moments\.centre"):
        np.testing.assert_array_equal(fit.moments.centre, fit.moments.center)


def test_a_warning_points_at_the_line_that_is_to_change(imap):
    for read in (lambda: imap.centre, lambda: erf_size(imap, reference="centre")):
        with pytest.warns(DeprecationWarning, match="spelled") as warned:
            read()
        assert [warning.filename for warning in warned] == [__file__]


def test_an_old_value_is_read_and_an_unknown_one_is_not(imap):
    with pytest.warns(DeprecationWarning, match="'centre' is spelled 'center'"):
        assert erf_size(imap, reference="centre") == erf_size(imap, reference="center")
    with pytest.raises(InvalidInput, match="reference='middle' is unknown; allowed: center, peak"):
        erf_size(imap, reference="middle")


def test_keys_and_words_of_what_was_written_are_read_in_new_spelling():
    values = np.zeros(2)
    old = {"centre_unit": [1, 2], "config": {"reference": "centre"}, "unnormalised": (None, 1.5), "maps/centre": values}
    assert respelled(old) == {
        "center_unit": [1, 2], "config": {"reference": "center"}, "unnormalized": (None, 1.5), "maps/center": values
    }  # fmt: skip
    assert respelled({"note": "the centre of it"}) == {"note": "the centre of it"}  # a sentence is no word
    new = {"reference": "center", "depth": 3, "text": "in the center"}
    assert respelled(in_spelling_of_0_1(new)) == new
    assert in_spelling_of_0_1(new)["reference"] == "centre"


def test_the_table_leaves_today_s_spelling_alone():
    for old, new in NEW.items():
        assert respelled(new) == respelled(old) == new
