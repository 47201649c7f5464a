from experiments.harness.style import bar_lengths


def test_bars_reach_to_the_ends_of_intervals_and_to_values_outside_of_them():
    values, intervals = [2.0, 2.0, 2.0, 2.0], [(1.5, 3.0), (0.0, 1.0), (4.0, 5.0), None]
    assert bar_lengths(values, intervals).tolist() == [[0.5, 2.0, 0.0, 0.0], [1.0, 0.0, 3.0, 0.0]]
