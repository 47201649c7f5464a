"""The templates that the card and the report share."""

import importlib
import sys

import pytest

from erf import InvalidInput
from erf.card.page import rendered


def test_what_is_inserted_is_escaped_and_styles_and_script_stand_in_the_page(tmp_path):
    (tmp_path / "own.html.j2").write_text(
        '{% extends "page.html.j2" %}{% block title %}{{ name }}{% endblock %}'
        "{% block content %}<p>{{ name }}{% endblock %}"
    )
    page = rendered("own.html.j2", tmp_path, name="<script>alert(1)</script>")
    assert "<title>&lt;script&gt;alert(1)&lt;/script&gt;</title>" in page
    assert "<p>&lt;script&gt;alert(1)" in page
    assert "--measured: #c2410c" in page
    assert "class Inspector" in page


def test_what_a_template_misses_is_an_error(tmp_path):
    (tmp_path / "own.html.j2").write_text("{{ nothing }}")
    with pytest.raises(Exception, match="'nothing' is undefined"):
        rendered("own.html.j2", tmp_path)


def test_without_jinja2_the_extra_is_named_in_one_line(monkeypatch):
    """Torch brings jinja2, so that no environment lacks it by itself."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "erf.card.page")
    with pytest.raises(InvalidInput) as refused:
        importlib.import_module("erf.card.page")
    assert str(refused.value) == 'jinja2 is not installed; this installs it: pip install "erf[card]"'
