"""Tables declared as columns, against their cells by hand."""

from types import SimpleNamespace

from experiments.harness.intervals import Mean
from experiments.harness.table import measured, table, text


def test_cells_by_hand():
    assert [text(None), text(None, 2), text("a"), text(3), text(2.345, 1)] == ["-", "-", "a", "3", "2.3"]
    assert text((0.123, 4.5), 2) == "0.12 to 4.50"
    assert text(Mean(1.25, None), 2) == "1.25"
    assert text(Mean(1.25, (1.0, 1.5)), 2) == "1.25 (1.00 to 1.50)"


def test_columns_are_attributes_and_functions_of_the_rows():
    part = SimpleNamespace(name="stem")
    row = SimpleNamespace(depth=5, part=part, size=8.25, size_interval=(8.0, 8.5), predicted_size=8.125)
    made = table(
        [row, row], "depth", ("layer", "part.name"), *measured("ERF size", "size", 2), ("half", lambda row: 5 / 2, 1),
        title="all",
    )  # fmt: skip
    headings = ["depth", "layer", "ERF size", "95 %", "theory", "half"]
    assert [column.header for column in made.columns] == headings
    cells = ["5", "stem", "8.25", "8.00 to 8.50", "8.12", "2.5"]
    assert [list(column.cells) for column in made.columns] == [[cell, cell] for cell in cells]
    assert made.title == "all"
