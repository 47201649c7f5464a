"""What is kept of a part of a run comes back as it was, or is refused."""

import math
from dataclasses import dataclass, fields

import numpy as np
import pytest

from erf import InfluenceMap, InvalidInput
from erf.maps.statistic import Statistic
from experiments.harness.kept import decode_kept, encode_kept

MAP = InfluenceMap(
    values=np.random.default_rng(0).random((3, 4)),
    statistic=Statistic.rms,
    center=(1.0, 1.5),
    trf_box=((-1, 3), (0, 4)),
    samples=math.inf,
    skipped=2,
    aggregation=1,
    findings=("one", "two"),
)


@dataclass(frozen=True)
class Point:
    sizes: dict[Statistic, np.ndarray]
    maps: tuple[InfluenceMap, ...]
    sigma: float
    skipped: int
    interval: tuple[float, float] | None


POINT = Point(
    {Statistic.rms: np.arange(3, dtype=np.float32), Statistic.mean_abs: np.array([], np.int8)},
    (MAP, MAP),
    np.float64(0.1) + 0.2,
    np.int64(3),  # pyright: ignore[reportArgumentType]
    (math.nan, -math.inf),
)


def kept(tmp_path, value, kind):
    (tmp_path / "a.npz").write_bytes(encode_kept(value))
    return decode_kept(tmp_path / "a.npz", kind)


def test_every_number_array_and_map_comes_back_to_the_last_bit(tmp_path):
    point = kept(tmp_path, POINT, Point)
    assert (point.sigma, point.skipped, type(point.skipped)) == (0.1 + 0.2, 3, int)
    assert math.isnan(point.interval[0])
    assert point.interval[1] == -math.inf
    for statistic, sizes in POINT.sizes.items():
        assert point.sizes[statistic].dtype == sizes.dtype
        np.testing.assert_array_equal(point.sizes[statistic], sizes)
    for imap in point.maps:
        np.testing.assert_array_equal(imap.values, MAP.values)
        others = [field.name for field in fields(MAP) if field.name != "values"]
        assert [getattr(imap, name) for name in others] == [getattr(MAP, name) for name in others]


def test_what_is_not_of_the_type_asked_for_is_refused(tmp_path):
    for value, kind in ((POINT, InfluenceMap), (3, np.ndarray), ({"a": 1.5}, dict[str, int])):
        with pytest.raises(InvalidInput, match=r"a\.npz is damaged: "):
            kept(tmp_path, value, kind)
