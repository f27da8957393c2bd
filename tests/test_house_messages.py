"""Translations: every kind of fault is found, and a compiled catalogue says what the .po says."""

from __future__ import annotations

import gettext
from pathlib import Path

import pytest

from xiuhua import messages

HEADER = """msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"

"""
PYTHON = """from django.utils.translation import gettext as _

def f(n):
    return _("Case %(n)s closed") % {"n": n}
"""
TEMPLATE = """{% load i18n %}
<h1>{% translate "Open cases" %}</h1>
  {% blocktranslate count n=total %}{{ n }} case{% plural %}{{ n }} cases{% endblocktranslate %}
<p title="{% trans 'Sort by' context 'column' %}">don't "stumble" over this: {{ x|default:_("nothing") }}</p>
"""
GOOD = {
    "Case %(n)s closed": 'msgid "Case %(n)s closed"\nmsgstr "案件%(n)s已结案"\n\n',
    "Open cases": 'msgid "Open cases"\nmsgstr "未结案件"\n\n',
    "plural": 'msgid "%(n)s case"\nmsgid_plural "%(n)s cases"\nmsgstr[0] "%(n)s 件案件"\n\n',
    "Sort by": 'msgctxt "column"\nmsgid "Sort by"\nmsgstr "排序"\n\n',
    "nothing": 'msgid "nothing"\nmsgstr "无"\n\n',
}


@pytest.fixture
def room(tmp_path: Path) -> Path:
    (tmp_path / "hall/templates").mkdir(parents=True)
    (tmp_path / "hall/views.py").write_text(PYTHON)
    (tmp_path / "hall/templates/page.html").write_text(TEMPLATE)
    return tmp_path


def write(room: Path, **entries: str) -> Path:
    po = room / "hall" / messages.PO
    po.parent.mkdir(parents=True, exist_ok=True)
    po.write_text(HEADER + "".join({**GOOD, **entries}.values()), encoding="utf-8")
    return po


def test_python_and_templates_are_read(room: Path) -> None:
    found = {(use.key, use.plural) for use in messages.uses("hall", room)}
    assert found == {
        (("Case %(n)s closed", None), None),
        (("Open cases", None), None),
        (("%(n)s case", None), "%(n)s cases"),
        (("Sort by", "column"), None),
        (("nothing", None), None),
    }


def test_a_complete_room_has_no_fault(room: Path) -> None:
    write(room)
    assert messages.faults(("hall",), room) == []


def test_words_of_the_house_itself_stand_in_a_room(room: Path) -> None:
    write(room)
    (room / "doors.py").write_text('from django.utils.translation import gettext as _\n\nSAYS = _("Knock first")\n')
    assert messages.faults(("hall",), room) == ["doors.py:3: 'Knock first' stands in no Chinese file"]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"Open cases": ""}, "'Open cases' stands in no Chinese file"),
        ({"Sort by": 'msgid "Sort by"\nmsgstr "排序"\n\n'}, "'Sort by' stands in no Chinese file"),
        ({"Open cases": 'msgid "Open cases"\nmsgstr ""\n\n'}, "'Open cases' is not translated"),
        ({"Open cases": '#, fuzzy\nmsgid "Open cases"\nmsgstr "未结"\n\n'}, "'Open cases' is fuzzy"),
        (
            {"Case %(n)s closed": 'msgid "Case %(n)s closed"\nmsgstr "案件已结案"\n\n'},
            "differ in placeholders",
        ),
        ({"plural": 'msgid "%(n)s case"\nmsgstr "%(n)s 件案件"\n\n'}, "used with a plural"),
    ],
)
def test_each_fault_is_named(room: Path, entry: dict[str, str], says: str) -> None:
    write(room, **entry)
    assert [fault for fault in messages.faults(("hall",), room) if says in fault]


def test_compiled_once_and_again_when_changed(room: Path) -> None:
    po = write(room)
    assert messages.compile_all(("hall",), room) == 1
    assert messages.compile_all(("hall",), room) == 0
    with po.with_suffix(".mo").open("rb") as file:
        catalogue = gettext.GNUTranslations(file)
    assert catalogue.gettext("Open cases") == "未结案件"
    assert catalogue.ngettext("%(n)s case", "%(n)s cases", 3) == "%(n)s 件案件"
    assert catalogue.pgettext("column", "Sort by") == "排序"
    po.write_text(po.read_text(encoding="utf-8").replace("未结案件", "在办案件"), encoding="utf-8")
    later = po.with_suffix(".mo").stat().st_mtime_ns + 1_000_000_000
    import os

    os.utime(po, ns=(later, later))
    assert messages.compile_all(("hall",), room) == 1


def test_the_product_is_translated() -> None:
    assert messages.faults() == []
