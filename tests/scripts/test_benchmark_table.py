import re

import pytest

from erf import InvalidInput
from experiments.harness.environment import ROOT, Environment
from experiments.harness.reference import REFERENCE
from scripts.benchmarks import markdown
from scripts.benchmarks.case import Case, Report
from scripts.benchmarks.cost_model import Constants, Prediction, Study
from scripts.benchmarks.growth import Curve, Scaling, Side
from scripts.benchmarks.resnet50 import ALTERNATIVE_ALONE
from scripts.gpu_check import study_on_gpu
from scripts.report import BENCHMARK, GROWTH

RECORDS = REFERENCE / "benchmark"


def test_a_row_says_what_its_case_does():
    environment = Environment.now("cpu")
    timed = Case.of("both", [[0.02, 0.04], [3000.0, 4000.0]], environment)
    alone = Case.of("ours alone", [[2.0]], environment)
    _, _, both, ours, _, machine = markdown.table(Report(environment, [timed, alone])).splitlines()
    assert both == "| both | 30 ms | 3,500 s | **116,667** (100,000 to 150,000) | - |"
    assert ours == "| ours alone | 2 s | - | - | - |"
    assert environment.device in machine
    assert "medians of 1 or 2 turns" in machine


def test_cases_of_one_image_are_a_table_of_layers_by_size_and_call():
    environment = Environment.now("cpu")
    calls = {("a, b.1", 8, "first call"): 0.5, ("a, b.1", 8, "again"): 2.0, ("a, b.2", 16, "again"): 3.0}
    cases = [
        Case.of(f"{layer}, 1 image, {side} px, {call}, against autograd.grad, CPU time", [[1.0], [ratio]], environment)
        for (layer, side, call), ratio in calls.items()
    ]
    other = Case.of("other", [[2.0]], environment)
    report = Report(environment, [*cases, other])
    rows = markdown.table(report).split("\n\n")[1].splitlines()
    assert rows == [
        "| one image, times as fast as autograd.grad | 8 px, first call | 8 px, again | 16 px, again |",
        "|---|---|---|---|",
        "| a, b.1 | **0.5** (0.5 to 0.5) | **2** (2 to 2) | - |",
        "| a, b.2 | - | - | **3** (3 to 3) |",
    ]


def test_the_short_table_has_the_median_over_layers_of_one_image():
    environment = Environment.now("cpu")
    cases = [
        Case.of(f"net, {layer}, 1 image, 8 px, again, against autograd.grad, CPU time", [[1.0], [ratio]], environment)
        for layer, ratio in enumerate([3.0, 0.5, 2000.0])
    ]
    *_, row = markdown.short_table(
        Report(environment, [Case.of("other", [[1.0], [9.0]], environment), *cases])
    ).splitlines()
    assert row == "| one image, 8 px, again, against autograd.grad, 3 layers | **3** (0.5 to 2,000) |"


def test_the_short_table_has_the_smallest_ratio_the_largest_and_two_between():
    environment = Environment.now("cpu")
    ratios = (9.0, 0.5, 3.0, 100.0, 2.0, 7.0, 4.0)
    cases = [Case.of(f"case {ratio:g}", [[1.0], [ratio]], environment) for ratio in ratios]
    alone = Case.of(f"{ALTERNATIVE_ALONE}, 8 px", [[1.0], [0.1]], environment)
    others = [Case.of("ours alone", [[2.0]], environment), alone]
    names = re.findall(r"\| case (\S+) \|", markdown.short_table(Report(environment, [*cases, *others])))
    assert names == ["0.5", "3", "7", "100"]


def test_a_damaged_record_is_named(tmp_path):
    path = tmp_path / "benchmark.json"
    with pytest.raises(InvalidInput, match=r"benchmark.json: .*scripts/benchmark.py --output writes it"):
        markdown.read(path, Report, "benchmark.py --output")
    path.write_text('{"cases": []}')
    with pytest.raises(InvalidInput, match=r"benchmark.json: .*environment"):
        markdown.read(path, Report, "benchmark.py --output")


@pytest.mark.parametrize(
    ("page", "marks", "text"),
    [
        ("README.md", BENCHMARK, lambda: markdown.short_table(markdown.read(RECORDS / "benchmark.json", Report, ""))),
        ("docs/benchmark.md", BENCHMARK, lambda: markdown.table(markdown.read(RECORDS / "benchmark.json", Report, ""))),
        (
            "docs/benchmark.md",
            GROWTH,
            lambda: markdown.growth(markdown.read(RECORDS / "scaling.json", Scaling, ""), study_on_gpu()),
        ),
    ],
)
def test_a_pages_tables_are_the_records(page, marks, text):
    begin, end = marks
    block = re.search(f"{begin}\n(.*?)\n{end}", (ROOT / page).read_text(), re.DOTALL)
    assert block
    assert block[1] == text()


def test_how_cost_grows_in_words():
    side = Side(
        (1.0, 8.0, 64.0), (1.0, None, 2.0), time_exponent=2.96, memory_exponent=None, expected_time=3, expected_memory=0
    )
    curves = [Curve("stacks", "depth", (1, 2, 4), side, side)]
    predictions = [Prediction("a stack", 0.5, 0.4)]
    study, on_gpu = (Study("layer4", 10, 20, 1e9, hours) for hours in (3000.4, 21.0))
    scaling = Scaling(Environment.now("cpu"), curves, Constants(1, 1, 1, 1), predictions, study)
    lines = markdown.growth(scaling, on_gpu).splitlines()
    assert lines[2] == "| stacks | depth 1 to 4 | 2.96 (3) | 2.96 (3) | - | - |"
    assert lines[6] == "| a stack | 500 ms | 400 ms | +25% |"
    assert lines[8] == "Stacks: a = 1000000 µs, r = 0 GFLOP/s; networks: b = 1 s, R = 0 GFLOP/s."
    assert lines[10] == "10 networks, 20 images, layer4: 3000 h on this CPU, 21 h on one GPU, 2.6 h on 8."
