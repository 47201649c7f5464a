"""The examples in the docstrings of what is public do what they say, with no names but those they import."""

import doctest
from importlib import import_module
from types import FunctionType

import pytest

import erf
from tests.test_public import PUBLIC

DOCUMENTED = {
    f"{module}.{name}": getattr(import_module(module), name).__doc__ or ""
    for module in PUBLIC
    for name in import_module(module).__all__
}


def results_of(docstring: str, name: str) -> doctest.TestResults:
    example = doctest.DocTestParser().get_doctest(docstring, {}, name, None, None)
    return doctest.DocTestRunner().run(example)


@pytest.mark.parametrize("name", [name for name, docstring in DOCUMENTED.items() if ">>>" in docstring])
def test_the_example_of_the_docstring_does_what_it_says(name):
    results = results_of(DOCUMENTED[name], name)
    assert results.attempted > 1
    assert results.failed == 0


def test_all_functions_that_erf_exports_show_an_example():
    functions = [name for name in erf.__all__ if isinstance(getattr(erf, name), FunctionType)]
    assert "influence" in functions
    assert [name for name in functions if ">>>" not in DOCUMENTED[f"erf.{name}"]] == []


@pytest.mark.parametrize("example", [">>> 1 + 1\n3\n", ">>> influence\n"])
def test_an_example_that_is_wrong_or_uses_a_name_that_it_does_not_import_is_seen(example):
    assert results_of(example, "wrong").failed == 1
