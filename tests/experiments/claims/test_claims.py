import json
import re
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from erf import InvalidInput
from erf.maps.statistic import Statistic
from experiments.claims import CLAIMS, Part, Row, Verdict, rows, short_table, table
from experiments.claims.pages import CLAIMS_PAGE
from experiments.harness.reference import REFERENCE
from experiments.harness.reference_runs import RUNS, STUDIES, command
from tests.experiments.claims.recorded import recorded_rows

README = Path(__file__).parents[3] / "README.md"
LONGEST = 350  # letters of what a cell of the table says was measured
EXACT = {"T1", "R1"}  # rows that name no statistic, as weights are fixed


def test_the_pages_show_the_records():
    assert short_table() in README.read_text()
    assert table() in CLAIMS_PAGE.read_text()


def test_the_short_table_gives_one_number_of_each_claim_and_counts_verdicts():
    first, _, _, _, *lines = short_table().splitlines()
    assert len(lines) == len(recorded_rows()) == sum(map(int, re.findall(r"(?<!of )\d+", first.partition(":")[2])))
    for row, line in zip(recorded_rows(), lines, strict=True):
        assert sum(bool(part.answer) for part in row.parts) == 1
        (part,) = [part for part in row.parts if part.answer]
        verdict = {
            Verdict.reproduced: "yes",
            Verdict.qualified: f"in part: {row.tally()}",
            Verdict.not_reproduced: "no",
        }[row.verdict]
        assert line == f"| **{row.id}** {row.plain} | {part.answer} | {verdict} |"
        assert re.search(r"\d", part.answer)
        assert len(line) < 230


def test_the_notes_on_rows_stand_below_the_table():
    below = table().partition("\n\n## ")[0].rpartition("|\n\n")[2]
    notes = dict(note.replace("\n", " ").split(": ", 1) for note in below.split("\n\n"))
    assert list(notes) == ["**F2**", "**F3a, F3b**", "**T5**"]
    assert {row.note for row in recorded_rows() if row.note} == {*notes.values()}


def test_every_claim_of_these_figures_has_its_row():
    ids = "F1 F1b F2 F3a F3b T1 T2 T4 R1 F2b T5 T3 I1 I3 A1 R2 R3 I2"
    assert [row.id for row in recorded_rows()] == ids.split()
    for row in recorded_rows():
        assert bool(row.parts) is (row.verdict is not Verdict.not_measured)
        assert set(row.runs) <= {*RUNS, *STUDIES}
        for run in row.runs:
            assert command(run) in row.markdown()


def test_the_table_is_short_and_shows_what_fails():
    for row in recorded_rows():
        headline = row.headline()
        assert len(headline) <= LONGEST
        assert headline.count("**not:**") >= sum(part.holds is False for part in row.parts)
        assert all(re.search(r"\d", part.markdown()) for part in row.parts if part.holds is not None and part.intervals)


def test_the_statistic_that_a_row_names_is_the_one_of_its_records():
    for row in recorded_rows():
        recorded = [json.loads((REFERENCE / run / "result.json").read_text()) for run in row.runs if row.parts]
        named = {name for name in Statistic if re.search(rf"\b{name}\b", row.statistic)}
        measured = {record["config"]["statistic"] for record in recorded if "statistic" in record["config"]}
        assert named <= measured
        assert named == measured or row.id in EXACT


def test_every_link_of_the_readme_leads_somewhere():
    root = README.parent
    links = re.findall(r"\]\(([^)#]+)\)", README.read_text())
    assert links
    assert [link for link in links if not link.startswith("http") and not (root / link).exists()] == []


@pytest.mark.parametrize(
    ("held", "verdict"),
    [([True, True], Verdict.reproduced), ([True, False], Verdict.qualified), ([False], Verdict.not_reproduced)],
)
def test_verdicts(held, verdict):
    row = Row("X", "says", "plainly", "rms", tuple(Part("measured", holds) for holds in held), ("erf_growth",))
    assert row.verdict is verdict
    assert row.markdown().count("**not:**") == held.count(False)
    beside = replace(row, parts=(*row.parts, Part("told beside", None)))
    assert beside.verdict is verdict
    assert beside.markdown().count("**not:**") == held.count(False)
    assert "told beside" in beside.markdown()


@pytest.mark.parametrize(
    ("held", "tally"),
    [
        ([True], "its one part holds"),
        ([False, None], "its one part does not hold"),
        ([True, True, None], "all 2 parts hold"),
        ([True, False], "1 of 2 parts hold"),
    ],
)
def test_the_tally_counts_the_parts_that_decide(held, tally):
    row = Row("X", "says", "plainly", "rms", tuple(Part("measured", holds) for holds in held), ("erf_growth",))
    assert row.tally() == tally


def test_a_headline_leaves_out_no_part_that_fails_or_once_failed():
    fine, failing = Part("long", True, brief="short", shown=False), Part("bad", False, shown=False)
    once_failing, as_ever = (replace(fine, at_first=Part("20 runs", holds)) for holds in (False, True))

    def headline(*parts):
        return Row("X", "says", "plainly", "rms", (Part("main", True), *parts), ("erf_growth",)).headline()

    assert headline(fine, fine) == "main; all 3 parts hold"
    assert headline(fine, failing) == "main; **not:** bad; 2 of 3 parts hold"
    assert headline(once_failing, Part("beside", None, shown=False)) == (
        "main; short [at first, **not:** 20 runs]; all 2 parts hold"
    )
    assert headline(as_ever) == "main; all 2 parts hold"
    assert headline(replace(fine, shown=True)) == "main; short"


def test_a_row_says_what_its_runs_cost_by_their_records():
    costs = {row.id: row.cost for row in recorded_rows()}
    read = {
        run: json.loads((REFERENCE / run / "environment.json").read_text())
        for row in recorded_rows()
        for run in row.runs
    }
    seconds = {run: environment["seconds"] * environment["threads"] for run, environment in read.items()}
    for row in recorded_rows():
        assert costs[row.id].minutes == pytest.approx(sum(seconds[run] for run in row.runs) / 60)
        assert f"| {costs[row.id]} |" in row.markdown()
    assert str(costs["T1"]) == "1"  # less than half a minute is not 0
    interrupted = {run for run in read if read[run].get("earlier_commits") or read[run].get("earlier_devices")}
    assert {row.id for row in recorded_rows() if str(row.cost).startswith("at least")} == {"F3a", "F3b"}
    assert {row.id for row in recorded_rows() if {*row.runs} & interrupted} == {"F3a", "F3b"}


def test_the_page_names_the_rows_whose_rules_were_settled_after_measuring():
    later = [row.id for row in recorded_rows() if any(part.at_first for part in row.parts)]
    assert f"The rules of {len(recorded_rows()) - len(later)} of {len(recorded_rows())} rows" in CLAIMS_PAGE.read_text()
    assert f"({', '.join(later)})" in CLAIMS_PAGE.read_text()


def test_rules_that_were_settled_after_measuring_keep_what_came_out_before():
    outcomes = {
        (row.id, part.measured.split(":")[0].split(" within")[0]): (part.holds, part.at_first.holds)
        for row in recorded_rows()
        for part in row.parts
        if part.at_first
    }
    assert outcomes == {
        ("F1", "random"): (True, False),
        ("F2", "uniform size slope over depths 40-100"): (True, True),
        ("F2", "random size slope over depths 40-100"): (True, False),
        ("F2", "relu size slope over depths 40-100"): (False, False),
        ("F3a", "start small gain 0.16, width 16"): (True, True),
        ("F3b", "start small gain 0.16"): (True, False),
        ("T1", "measured map"): (True, False),
        ("T3", "back-propagated"): (True, False),
        ("T3", "random weights"): (True, True),
    }


@pytest.fixture
def folder(tmp_path):
    unread = shutil.ignore_patterns("*.png", "*.svg", "*.gif", "*.html", "*.safetensors")
    return Path(shutil.copytree(REFERENCE, tmp_path / "reference", ignore=unread))


@cache
def ids():
    """Return the ids of all claims, in their order."""
    return [row.id for row in recorded_rows()]


def row_of(folder, id):
    return CLAIMS[ids().index(id)](folder)


def holds(folder, id):
    """Return, for each part of a claim's rule, whether it holds."""
    return [part.holds for part in row_of(folder, id).parts]


def change(folder, run, key, at, **values):
    """Change the entry of the list ``key`` of a record that has the values ``at``."""
    path = folder / run / "result.json"
    record = json.loads(path.read_text())
    entries = [entry for entry in record[key] if at.items() <= entry.items()]
    assert entries
    for entry in entries:
        assert values.keys() <= entry.keys()
        entry.update(values)
    path.write_text(json.dumps(record))


RANDOM, RELU, UNIFORM_20 = {"kind": "random"}, {"kind": "relu"}, {"kind": "uniform", "depth": 20}
PAPER = RANDOM | {"y": "size", "x": "trf_size", "depths": [5, 40]}
PAPER_RATIO, DEEP = PAPER | {"y": "ratio"}, PAPER | {"depths": [40, 100]}
DILATED, DEFORMABLE = {"layout": "dilated", "depth": 20}, {"layout": "deformable", "depth": 5}
FULL, SELF, OUTSIDE = {"block": "fully_connected", "below": 2}, {"block": "self_attention"}, "outside_stack_interval"
LATE, DILATION, PLAIN = ({"variant": variant} for variant in ("late_strides", "dilation", "plain"))
SKIP = {"design": "pre_activation", "gain": 1.0}
HIGH, LOW = [0.995, 0.996], [0.98, 0.981]


@pytest.mark.parametrize(
    ("id", "part", "run", "key", "at", "passing", "failing"),
    [
        ("F1", 0, "gaussian_shape", "panels", UNIFORM_20, {"r_squared": 0.99981}, {"r_squared": 0.99979}),
        ("F1", 1, "gaussian_shape", "falls", RANDOM, {"interval": [-0.91, -0.8]}, {"interval": [-0.89, -0.8]}),
        ("F1", 1, "gaussian_shape", "falls", RANDOM, {"interval": [-1.2, -1.09]}, {"interval": [-1.2, -1.11]}),
        ("F1", 2, "gaussian_shape", "groups", RANDOM | {"runs": 200}, {"r_squared": 0.9901}, {"r_squared": 0.9899}),
        ("F1", 3, "gaussian_shape", "groups", RELU | {"runs": 20}, {"r_squared": 0.96}, {"r_squared": 0.97}),
        ("F1b", 1, "nonlinearities", "fits", {"kind": "tanh"}, {"gain": [1e-6, 0.1]}, {"gain": [-1e-6, 0.1]}),
        ("F1b", 4, "nonlinearities", "fits", {"kind": "sigmoid"}, {"r_squared": HIGH}, {"r_squared": LOW}),
        ("F2", 2, "erf_growth", "slopes", PAPER, {"interval": [0.5, 0.531]}, {"interval": [0.5, 0.529]}),
        ("F2", 2, "erf_growth", "slopes", PAPER, {"interval": [0.589, 0.7]}, {"interval": [0.591, 0.7]}),
        ("F2", 3, "erf_growth", "slopes", PAPER_RATIO, {"interval": [-0.6, -0.469]}, {"interval": [-0.6, -0.471]}),
        ("F2", 7, "erf_growth_deep", "slopes", DEEP, {"exponent": 0.471}, {"exponent": 0.469}),
        ("F2", 7, "erf_growth_deep", "slopes", DEEP, {"exponent": 0.529}, {"exponent": 0.531}),
        ("T1", 0, "exact_theory", "uniform", {"depth": 5}, {"exact_difference": 9e-10}, {"exact_difference": 1.1e-9}),
        (
            "T1",
            1,
            "exact_theory",
            "uniform",
            {"depth": 5},
            {"measured_difference": 9e-6},
            {"measured_difference": 2e-5},
        ),
        ("T2", 0, "exact_theory", "random", RANDOM, {"largest_deviation": 4.9}, {"largest_deviation": 5.1}),
        ("T4", 0, "exact_theory", "random", RELU, {"sigma_interval": [2.51, 2.65]}, {"sigma_interval": [2.5, 2.65]}),
        ("T4", 0, "exact_theory", "random", RELU, {"sigma_interval": [2.51, 2.65]}, {"sigma_interval": [2.51, 2.67]}),
        ("A1", 0, "sparse_connections", "points", DILATED, {"gain": [1e-6, 1.0]}, {"gain": [-1e-6, 1.0]}),
        ("A1", 2, "sparse_connections", "points", DEFORMABLE, {"gain": [1e-6, 1.0]}, {"gain": [-1e-6, 1.0]}),
        ("R2", 0, "attention", "points", FULL, {OUTSIDE: [1e-6, 1.0]}, {OUTSIDE: [0.0, 1.0]}),
        ("R2", 1, "attention", "points", {"block": "none"}, {"outside_field": 0.0}, {"outside_field": 1e-9}),
        ("R2", 2, "attention", "layers", {"name": "convolution"}, {"connections": 144}, {"connections": 36864}),
        ("R2", 2, "attention", "layers", {"name": "convolution"}, {"shared": True}, {"shared": False}),
        ("R2", 3, "attention", "layers", {"name": "fully connected"}, {"connections": 36864}, {"connections": 36863}),
        ("R3", 2, "attention", "points", SELF, {OUTSIDE: [1e-6, 1.0]}, {OUTSIDE: [0.0, 1.0]}),
        ("R3", 4, "attention", "points", {"block": "residual"}, {"outside_field": 0.0}, {"outside_field": 1e-9}),
        ("R3", 8, "attention_mean_square", "points", SELF, {OUTSIDE: [1e-6, 1.0]}, {OUTSIDE: [0.0, 1.0]}),
        ("F2b", 2, "subsampling", "variants", LATE, {"excess": [0.1, 9.0]}, {"excess": [-0.1, 9.0]}),
        ("F2b", 3, "subsampling", "variants", DILATION, {"excess": [0.1, 9.0]}, {"excess": [-0.1, 9.0]}),
        ("F2b", 4, "subsampling", "variants", PLAIN, {"predicted_size": 27.0}, {"predicted_size": 28.0}),
        (
            "F2b",
            5,
            "subsampling",
            "variants",
            DILATION,
            {"kurtosis_interval": [-1, -0.31]},
            {"kurtosis_interval": [-1, -0.29]},
        ),
        ("T5", 0, "subsampling", "variants", LATE, {"excess": [0.1, 9.0]}, {"excess": [-0.1, 9.0]}),
        ("T5", 4, "skip_connections", "points", SKIP, {"excess": [-2.0, -0.1]}, {"excess": [-2.0, 0.1]}),
    ],
)
def test_each_part_of_a_rule_holds_up_to_its_limit_and_not_beyond(folder, id, part, run, key, at, passing, failing):
    change(folder, run, key, at, **passing)
    assert holds(folder, id)[part]
    change(folder, run, key, at, **failing)
    assert not holds(folder, id)[part]
    assert row_of(folder, id).markdown() != row_of(REFERENCE, id).markdown()


def test_the_worked_example_must_be_met_exactly(folder):
    path = folder / "exact_theory" / "result.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"example_trf_sizes": [3, 5, 7, 9, 11]}))
    assert holds(folder, "R1") == [False]


@pytest.mark.parametrize(("run", "ids"), [("exact_theory", {"T1", "T2", "T4", "R1"}), ("erf_growth_deep", {"F2"})])
def test_rows_of_a_missing_record_say_so(folder, run, ids):
    (folder / run / "result.json").unlink()
    without = {row.id for row in rows(folder) if row.verdict is Verdict.not_measured}
    assert without - {row.id for row in recorded_rows() if row.verdict is Verdict.not_measured} == ids
    of_paper = table(folder).partition("## Claims of our own")[0]
    assert {
        line.split(" | ")[0].removeprefix("| ") for line in of_paper.splitlines() if "not measured yet" in line
    } == without


def test_a_damaged_record_is_named(folder):
    (folder / "exact_theory" / "result.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"exact_theory/result\.json is damaged"):
        rows(folder)
