"""What the page on the design says of folders is so."""

import re
from pathlib import Path

from tests.test_imports import arrows

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "design.md").read_text()


def folders(after: str) -> list[str]:
    """Return the folders of the table that follows the words ``after``, in its order."""
    table = re.search(rf"^{after}[^|]*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)[1]
    return re.findall(r"`(\w+)/`", "\n".join(row.split("|")[1] for row in table.splitlines()))


def packages(folder: str) -> set[str]:
    return {path.parent.name for path in (ROOT / folder).glob("*/__init__.py")}


def test_each_folder_of_the_library_is_there_and_imports_only_from_those_above_it():
    order = folders("In `erf/`")
    assert set(order) == packages("erf")
    places = {f"erf.{name}": place for place, name in enumerate(order)}
    rooms = [pair for pair in arrows(ROOT / "erf", 2) if set(pair) <= places.keys()]
    assert len(rooms) > 8
    assert [pair for pair in rooms if places[pair[0]] < places[pair[1]]] == []


def test_the_table_has_all_folders_that_are_no_experiment():
    experiments = {path.parent.name for path in (ROOT / "experiments").glob("*/experiment.py")} - {"harness"}
    assert set(folders("In `experiments/`")) - experiments == packages("experiments") - experiments
