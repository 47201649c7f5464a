"""Tables of results on the terminal, declared as columns: a heading, what of a row is shown there, and its digits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, NamedTuple

from rich.table import Table

from experiments.harness.intervals import Mean, interval_text

Value = str | Callable[[Any], Any]  # an attribute of a row, dotted where it is one of an attribute, or a function of it
Column = str | tuple[str, Value] | tuple[str, Value, int]  # one word is a heading and the attribute of that name


def table(rows: Iterable[Any], *columns: Column, title: str | None = None) -> Table:
    """Return the table with a line for each row, whose cells are as :func:`text` writes them; none is ever cut."""
    declared = [_Column.of(column) for column in columns]
    made = Table(title=title)
    for column in declared:
        made.add_column(column.heading, overflow="fold")
    for row in rows:
        made.add_row(*(column.cell(row) for column in declared))
    return made


def measured(heading: str, name: str, digits: int) -> tuple[Column, Column, Column]:
    """Return the columns of a number, of its interval and of what theory predicts."""
    return (heading, name, digits), ("95 %", f"{name}_interval", digits), ("theory", f"predicted_{name}", digits)


def text(value: Any, digits: int | None = None) -> str:
    """Return a number, an interval or a :class:`Mean` with so many digits, anything else as it is; "-" for None."""
    if value is None:
        return "-"
    if digits is None:
        return str(value)
    if isinstance(value, Mean):
        return value.in_words(digits)
    return interval_text(value, digits) if isinstance(value, tuple) else f"{value:.{digits}f}"


class _Column(NamedTuple):
    heading: str
    value: Value
    digits: int | None = None

    @classmethod
    def of(cls, column: Column) -> _Column:
        return cls(column, column) if isinstance(column, str) else cls(*column)  # pyright: ignore[reportArgumentType]

    def cell(self, row: Any) -> str:
        return text(attrgetter(self.value)(row) if isinstance(self.value, str) else self.value(row), self.digits)
