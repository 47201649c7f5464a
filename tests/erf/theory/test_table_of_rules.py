"""The table of docs/theory.md has a row for every rule, and no other row."""

import re
from pathlib import Path

from erf.theory import operator_rules
from erf.theory.nonlinearity_rules import function, max_pool

PAGE = Path(__file__).parents[3] / "docs" / "theory.md"
ROWS = {
    "_convolution": ("convolution, transposed or not", "convolution with constants"),
    "_dense": ("linear, addmm, mm",),
    "_batch_norm": ("batch norm in eval mode",),
    "_scaled": ("batch norm in eval mode, products with constants",),
    "_sum": ("add, sub",),
    "_concatenation": ("cat, split",),
    "_part": ("cat, split, slices",),
    "_arranged": ("cat, split, slices; channels shuffled",),
    "_turned": ("padding by constants", "cat, split"),
    "_padded": ("padding by constants", "cat, split"),
    "_filter": ("average pools", "interpolation", "padding by constants, reflection"),
    "_mean": ("average pools, also adaptive and global, means",),
    "_unchanged": ("neg, clone",),
    "_expanded": ("neg, clone, copies, expand",),
    "_detached": ("detach",),
    "two_slopes": ("ReLU, leaky ReLU, PReLU", "all functions of one value"),
    "function": ("all functions of one value",),
    "max_pool": ('max pools, "measured"', 'max pools, "half"'),
}


def test_every_rule_has_a_row_and_every_row_a_rule():
    rules = {rule.__qualname__.partition(".")[0] for rule in operator_rules.RULES.values() if callable(rule)}
    assert {function.__name__, max_pool.__name__} < rules == set(ROWS)
    table = re.search(r"(?s)\| operator \(ATen\).*?\n\n", PAGE.read_text())
    assert table
    rows = [line[2:].partition(" |")[0] for line in table[0].strip().splitlines()[2:]]
    starts = [start for each in ROWS.values() for start in each]
    for start in starts:
        assert any(row.startswith(start) for row in rows), start
    for row in rows:
        assert any(row.startswith(start) for start in starts), row
