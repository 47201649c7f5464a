import pytest

from erf import InvalidInput
from scripts import benchmark, coverage, gpu_check, scaling
from scripts.benchmarks.case import Disagreement
from scripts.benchmarks.command import exit_code


@pytest.mark.parametrize("code", [0, 3])
def test_a_measurement_that_ends_says_its_exit_code(code, capsys):
    assert exit_code(lambda: code) == code
    assert exit_code(lambda: None) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InvalidInput("runs=0: no"), 1, "error: runs=0: no\n"),
        (Disagreement("the maps differ"), 1, "error: the maps differ\n"),
        (OSError("disk full"), 1, "error: disk full\n"),
        (KeyboardInterrupt(), 130, "interrupted; nothing was written\n"),
    ],
)
def test_what_stops_a_measurement_is_one_line(error, code, line, capsys):
    def measure():
        raise error

    assert exit_code(measure) == code
    assert capsys.readouterr().err == line


def test_a_mistake_in_the_code_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        exit_code(lambda: 1 // 0)


@pytest.mark.parametrize(
    ("main", "arguments", "named"),
    [
        (benchmark.main, ["--threads", "0"], "--threads: '0'"),
        (benchmark.main, ["--runs", "0"], "--runs: '0'"),
        (benchmark.main, ["--channels", "-1"], "--channels: '-1'"),
        (benchmark.main, ["--repetitions", "0"], "--repetitions: '0'"),
        (benchmark.main, ["--threads", "many"], "--threads"),
        (benchmark.main, ["--threads", "1000000"], "--threads: '1000000': allowed are whole numbers from 1 to "),
        (benchmark.main, ["--small", "31"], "--small: '31': allowed are whole numbers from 32 to 2147483647"),
        (benchmark.main, ["--runs", "1" + 30 * "0"], "--runs"),
        (coverage.main, ["--judge-seconds", "inf"], "--judge-seconds: 'inf': allowed are numbers from 0 to 2147483647"),
        (coverage.main, ["--judge-seconds", "nan"], "--judge-seconds"),
        (benchmark.main, ["--depths", "5", "3"], "--depths=[5, 3]"),
        (benchmark.main, ["--output", "missing/benchmark.json"], "missing/benchmark.json"),
        (benchmark.main, ["--output", "."], "--output ."),
        (benchmark.main, ["--nothing"], "--nothing"),
        (scaling.main, ["--repetitions", "0"], "--repetitions: '0'"),
        (scaling.main, ["--threads", "0"], "--threads: '0'"),
        (scaling.main, ["--output", "missing"], "--output missing"),
        (scaling.main, ["--nothing"], "--nothing"),
        (gpu_check.main, ["--gpu"], "--gpu"),
    ],
)
def test_bad_input_is_one_line(main, arguments, named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert named in line
