"""Whatever happens to a record's files, reading it gives what was measured or one line that names the file."""

import json
import math
import shutil
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from erf.errors import InvalidInput
from experiments.harness.environment import Environment
from experiments.harness.experiment import experiment_of, load, load_study
from experiments.harness.record import is_checked, read_environment, read_record, write_record
from experiments.harness.reference import REFERENCE, reference
from experiments.harness.reference_runs import RUNS, STUDIES

NAMES = [*RUNS, *STUDIES]
SEVERAL = ["exact_theory", "erf_growth", "skip_connections", "cifar10", "growth_controls", "center_low_init"]
FILES = ("result.json", "arrays.npz", "environment.json")


@cache
def kind(name):
    study = load_study(experiment_of(name)) if name in STUDIES else None
    return study.Result if study else load(experiment_of(name)).Result


@cache
def recorded(name):
    return reference(name, kind(name))


@pytest.fixture
def unchecked(tmp_path):
    """Return what copies a reference record, all of which were written before checksums were kept."""

    def copy(name):
        folder = tmp_path / f"{name}.unchecked"
        folder.mkdir()
        for file in FILES:
            shutil.copy(REFERENCE / name / file, folder)
        about = json.loads((folder / "environment.json").read_text())
        about.pop("checksums", None)
        (folder / "environment.json").write_text(json.dumps(about))
        return folder

    return copy


@pytest.fixture
def checked(tmp_path):
    """Return what writes a reference record anew, with checksums."""

    def write(name):
        folder = tmp_path / f"{name}.checked"
        folder.mkdir()
        write_record(folder, recorded(name), read_environment(REFERENCE / name))
        return folder

    return write


def same(one, other):
    assert type(one) is type(other)
    assert replace(one, arrays={}) == replace(other, arrays={})
    assert one.arrays.keys() == other.arrays.keys()
    for name, values in one.arrays.items():
        np.testing.assert_array_equal(values, other.arrays[name])


@pytest.mark.parametrize("name", NAMES)
def test_every_reference_record_is_read_with_and_without_checksums(name, checked, unchecked):
    for folder, has_checksums in ((checked(name), True), (unchecked(name), False)):
        same(read_record(folder, kind(name)), recorded(name))
        assert is_checked(folder) is has_checksums


def flip(path, position, bit):
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


def readable(folder, name):
    """Return the record; None where it is refused in one line that names a file."""
    problem = ""
    try:
        return read_record(folder, kind(name))
    except InvalidInput as error:
        problem = str(error)
    assert f"{folder}/" in problem
    assert "\n" not in problem
    return None


def refused(folder, name, *, says):
    with pytest.raises(InvalidInput) as error:
        read_record(folder, kind(name))
    assert str(folder) in str(error.value)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", SEVERAL)
def test_any_byte_that_is_flipped_is_found(name, file, checked):
    folder = checked(name)
    original, about = (folder / file).read_bytes(), read_environment(folder)
    rng = np.random.default_rng(0)
    refusals = 0
    for position, bit in zip(rng.integers(0, len(original), 20), rng.integers(0, 8, 20), strict=True):
        flip(folder / file, position, bit)
        if read := readable(folder, name):
            same(read, recorded(name))
            assert read_environment(folder) == about  # white space that says nothing
        refusals += read is None
        (folder / file).write_bytes(original)
    assert refusals > 15


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", SEVERAL)
def test_a_file_that_is_cut_off_or_gone_is_named(name, file, checked, unchecked):
    for folder in (checked(name), unchecked(name)):
        content = (folder / file).read_bytes()
        (folder / file).write_bytes(content[: len(content) // 2])
        refused(folder, name, says=f"{folder / file} is damaged")
        (folder / file).unlink()
        refused(folder, name, says=f"{folder / file} is missing")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", SEVERAL)
def test_without_checksums_flipped_bytes_end_in_no_other_error(name, file, unchecked):
    folder = unchecked(name)
    original = (folder / file).read_bytes()
    rng = np.random.default_rng(1)
    positions = np.concatenate([rng.integers(0, len(original), 12), rng.integers(-300, 0, 12) % len(original)])
    for position, bit in zip(positions, rng.integers(0, 8, len(positions)), strict=True):
        flip(folder / file, position, bit)
        readable(folder, name)
        (folder / file).write_bytes(original)


def edited_number(tree):
    """Change the first number with a point that is found in a record."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if isinstance(value, float):
            tree[key] = value * 1.001 + 1e-3
            return True
        if isinstance(value, dict | list) and key != "config" and edited_number(value):
            return True
    return False


@pytest.mark.parametrize("name", NAMES)
def test_an_edited_number_is_found(name, checked):
    folder = checked(name)
    tree = json.loads((folder / "result.json").read_text())
    assert edited_number(tree)
    (folder / "result.json").write_text(json.dumps(tree, indent=2) + "\n")
    refused(folder, name, says=f"{folder / 'result.json'} is damaged: its SHA-256 is not the one noted")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", '"0.5"', "null", "[]"])
@pytest.mark.parametrize("name", ["exact_theory", "erf_growth"])
def test_what_is_no_number_is_found_without_checksums(name, number, unchecked):
    folder = unchecked(name)
    path = folder / "result.json"
    text = path.read_text()
    key = {"exact_theory": '"largest_deviation": ', "erf_growth": '"predicted_sigma": '}[name]
    before, _, after = text.partition(key)
    path.write_text(before + key + number + after[after.index(",") :])
    refused(folder, name, says=f"{path} ")


@pytest.mark.parametrize("name", NAMES)
def test_lists_that_were_emptied_are_found_without_checksums(name, unchecked):
    """Without its points, a record has other arrays than its numbers ask for, or metrics of nothing."""
    folder = unchecked(name)
    path = folder / "result.json"
    tree = json.loads(path.read_text())
    lists = {key: len(str(value)) for key, value in tree.items() if isinstance(value, list)}
    longest = "random" if name == "exact_theory" else max(lists, key=lists.__getitem__)
    path.write_text(json.dumps(tree | {longest: []}))
    refused(folder, name, says=" is damaged: ")


def damages(arrays, name):
    """Yield the arrays of a record, each time with one of them damaged in another way."""
    values = arrays[name]
    yield {key: array for key, array in arrays.items() if key != name}
    yield arrays | {f"{name}/more": values}
    yield arrays | {name: values[:-1] if len(values) else np.zeros((1, *values.shape[1:]))}
    yield arrays | {name: values[..., None]}
    yield arrays | {name: np.full(values.shape or (1,), "text")}
    if values.dtype.kind == "f" and values.size:
        for number in (math.nan, math.inf):
            spoilt = values.copy()
            spoilt.flat[-1] = number
            yield arrays | {name: spoilt}


@pytest.mark.parametrize("name", NAMES)
def test_absent_and_other_arrays_are_found_without_checksums(name, unchecked):
    folder = unchecked(name)
    result = recorded(name)
    keys = [*result.arrays]
    for key in dict.fromkeys([keys[0], keys[-1]]):
        for damaged in damages(result.arrays, key):
            np.savez(folder / "arrays.npz", **damaged)
            if has_gap(result, key, damaged):
                same(read_record(folder, kind(name)), replace(result, arrays=damaged))
            else:
                refused(folder, name, says=f"{folder / 'arrays.npz'} is damaged: array ")


def has_gap(result, key, arrays):
    """Return whether NaN stands in an array in which it says that there is no number."""
    may = key.partition("/")[0] in getattr(result, "GAPS", ())
    return may and key in arrays and arrays[key].dtype.kind == "f" and bool(np.isnan(arrays[key]).any())


@pytest.mark.parametrize("name", SEVERAL)
def test_a_result_with_such_arrays_is_not_written(name, tmp_path):
    result = recorded(name)
    key = next(key for key in result.arrays if result.arrays[key].dtype.kind == "f" and result.arrays[key].size)
    before = result.arrays[key]
    spoilt = replace(result, arrays=result.arrays | {key: np.full_like(before, math.inf)})
    with pytest.raises(InvalidInput, match=r"arrays\.npz .*finite"):
        write_record(tmp_path, spoilt, Environment.now("cpu"))
    assert list(tmp_path.iterdir()) == []


def test_a_checksum_that_was_taken_away_or_edited_is_found(checked):
    folder = checked("exact_theory")
    path = folder / "environment.json"
    about = json.loads(path.read_text())
    for damaged in (
        about | {"checksums": {}},
        about | {"checksums": None},
        about | {"checksums": about["checksums"] | {"result.json": "0" * 64}},
        about | {"checksums": {k: v for k, v in about["checksums"].items() if k != "arrays.npz"}},
        about | {"commit": "another"},
        about | {"more": 1},
    ):
        path.write_text(json.dumps(damaged))
        refused(folder, "exact_theory", says=" is damaged: ")


def test_a_damaged_reference_is_named_with_the_command_that_writes_it_again(unchecked, tmp_path):
    for campaign, option in (("reference", ""), ("quick", "--quick "), ("verify", "--verify ")):
        folder = tmp_path / campaign
        folder.mkdir()
        shutil.copytree(REFERENCE / "exact_theory", folder / "exact_theory")
        (folder / "exact_theory" / "arrays.npz").unlink()
        with pytest.raises(InvalidInput) as error:
            reference("exact_theory", kind("exact_theory"), folder)
        command = f"python scripts/reproduce.py {option}--only exact_theory"
        assert str(error.value) == f"{folder}/exact_theory/arrays.npz is missing; to write it again: {command}"
