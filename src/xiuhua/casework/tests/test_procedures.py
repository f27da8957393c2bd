"""Loading procedures: every fault at its exact place, all at once; nothing loads half; versions come back whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xiuhua.casework.procedures import (
    Known,
    ProceduresBroken,
    SourceFile,
    check,
    from_canonical,
    load,
)
from xiuhua.casework.yaml_source import read

KNOWN = Known(
    roles=frozenset({"unit", "dispatcher"}),
    guards=frozenset({"located", "joined", "max", "facts", "ticked", "needs_answer"}),
    effects=frozenset({"set", "stamp", "count"}),
    outbox=frozenset(),
    columns=frozenset({"urgency", "filed_at", "rounds", "responsible_org", "description", "source"}),
)

GOOD = """\
procedure: fix
title: {zh: 维修, en: Fix}
stages: {work: {zh: 处理, en: Work}, end: {zh: 办结, en: Ended}}
clocks:
  main: {title: {zh: 时限, en: Limit}, limit: {value: 2, unit: work_hour}, main: true}
  half: {title: {zh: 返工, en: Rework}, limit: {of: main, ratio: 1/2}, expire: time_up}
states:
  open: {title: {zh: 待办, en: Open}, stage: work, holder: {role: unit, organisation: responsible_org}, run: [main]}
  looking: {title: {zh: 查看, en: Looking}, stage: work, holder: {children: look}, pause: [main]}
  again: {title: {zh: 返工, en: Again}, stage: work, holder: {role: unit}, run: [half]}
  done: {title: {zh: 完成, en: Done}, stage: end, final: true, outcome: ok}
actions:
  report:
    title: {zh: 上报, en: Report}
    start: true
    to: open
    by: [dispatcher]
    key: n
    form:
      - {name: what, type: long_text, required: true, column: description, title: {zh: 内容, en: What}}
      - {name: unit, type: organisation, title: {zh: 单位, en: Unit}}
      - name: level
        type: choice
        title: {zh: 级别, en: Level}
        choices: [{code: low, zh: 低, en: Low}, {code: high, zh: 高, en: High}]
      - {name: why, type: text, title: {zh: 原因, en: Why}, required_if: {level: high}}
    guards: [located, {max: {column: rounds, value: 2}}]
    effects: [{stamp: filed_at}, {set: {urgency: $level}}]
    assigns: {organisation: $unit}
  look:
    title: {zh: 查看, en: Look}
    from: open
    to: looking
    by: [unit]
    key: l
    form: [{name: note, type: text, required: true, title: {zh: 说明, en: Note}}]
    spawn:
      - {procedure: glance, action: ask, relation: look, pass: {note: $note}, on_end: {fine: seen, bad: {action: seen_bad, pass: {grade: $grade}}}}
  seen: {title: {zh: 无误, en: Fine}, from: looking, to: done, system: true}
  seen_bad:
    title: {zh: 有误, en: Bad}
    from: looking
    to: again
    system: true
    form: [{name: grade, type: integer, title: {zh: 程度, en: Grade}}]
  time_up: {title: {zh: 逾时, en: Time is up}, from: again, to: done, system: true}
  finish: {title: {zh: 完成, en: Finish}, from: '*', to: done, by: [unit], key: f}
  reopen: {title: {zh: 重开, en: Reopen}, from: done, to: again, by: [dispatcher], after_end: true}
"""

CHILD = """\
procedure: glance
title: {zh: 查看任务, en: Glance}
states:
  open: {title: {zh: 待看, en: Open}, holder: {role: unit}}
  fine: {title: {zh: 好, en: Fine}, final: true}
  bad: {title: {zh: 坏, en: Bad}, final: true}
actions:
  ask:
    title: {zh: 请看, en: Ask}
    start: true
    to: open
    system: true
    form: [{name: note, type: text, required: true, title: {zh: 说明, en: Note}}]
  good: {title: {zh: 好, en: Good}, from: open, to: fine, by: [unit]}
  not_good:
    title: {zh: 坏, en: Bad}
    from: open
    to: bad
    by: [unit]
    form: [{name: grade, type: integer, title: {zh: 程度, en: Grade}}]
"""


def sources(parent: str = GOOD, child: str = CHILD) -> list[SourceFile]:
    return [SourceFile("fix.yaml", parent), SourceFile("glance.yaml", child)]


def place(text: str, needle: str) -> tuple[int, int]:
    """Line and column, from 1, of a piece of text that stands there once."""
    assert text.count(needle) == 1, f"{needle!r} stands {text.count(needle)} times"
    before = text[: text.index(needle)]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def test_a_good_procedure_loads() -> None:
    procedure = load(sources(), KNOWN).get("fix")
    assert procedure.title.zh == "维修"
    assert [a.code for a in procedure.start_actions()] == ["report"]
    assert [a.code for a in procedure.actions_from("looking")] == ["seen", "seen_bad", "finish"]
    assert [a.code for a in procedure.actions_from("done")] == ["reopen"]
    assert procedure.outcomes() == {"ok"}
    assert procedure.stages() == ("work", "end")
    main = procedure.main_clock("open")
    assert main is not None and main.code == "main"
    report = procedure.actions["report"]
    assert (report.guards[1].name, report.guards[1].args) == ("max", {"column": "rounds", "value": 2})
    assert report.effects[0].args == {"value": "filed_at"}
    assert procedure.actions["look"].spawn[0].on_end["bad"].data == {"grade": "$grade"}


# what is wrong, what it is replaced with, where the fault is found, a word of the message
WRONG: list[tuple[str, str, str, str]] = [
    ("run: [main]", "run: [mian]", "mian", "no clock 'mian'"),
    ("holder: {role: unit, organisation", "holder: {role: unti, organisation", "role: unti", "no role 'unti'"),
    ("by: [dispatcher]\n    key: n", "by: [despatcher]\n    key: n", "despatcher", "no role"),
    ("  seen: {title: {zh: 无误, en: Fine}, from: looking, to: done", "  seen: {title: {zh: 无误, en: Fine}, from: looking, to: gone", "to: gone", "no state 'gone'"),
    ("from: open\n    to: looking", "from: opne\n    to: looking", "from: opne", "no state 'opne'"),
    ("unit: work_hour", "unit: week", "limit: {value: 2, unit: week", "not one of minute"),
    ("value: 2, unit", "value: -2, unit", "limit: {value: -2", "more than 0"),
    ("ratio: 1/2", "ratio: half", "limit: {of: main, ratio: half", "fraction"),
    ("guards: [located, ", "guards: [locatd, ", "locatd", "no guard 'locatd'"),
    ("effects: [{stamp: filed_at}", "effects: [{stmap: filed_at}", "{stmap", "no effect 'stmap'"),
    ("{stamp: filed_at}", "{stamp: file_at}", "stamp: file_at", "no column 'file_at'"),
    ("{set: {urgency: $level}}", "{set: {urgency: $levle}}", "{set: {urgency: $levle", "no field 'levle'"),
    ("assigns: {organisation: $unit}", "assigns: {organisation: $what}", "organisation: $what", "must be of type organisation"),
    ("column: description", "column: descripton", "column: descripton", "no column"),
    ("type: organisation", "type: organization", "type: organization", "not one of"),
    ("required_if: {level: high}", "required_if: {level: hihg}", "level: hihg", "no choice 'hihg'"),
    ("required_if: {level: high}", "required_if: {lvl: high}", "lvl: high", "no field 'lvl'"),
    ("{name: unit, type", "{name: what, type", "name: what, type: organisation", "asked twice"),
    ("choices: [{code: low, zh: 低, en: Low}, {code: high", "choices: [{code: low, zh: 低, en: Low}, {code: low", "{code: low, zh: 高", "listed twice"),
    ("procedure: glance, action", "procedure: glanze, action", "procedure: glanze", "no procedure 'glanze'"),
    ("action: ask", "action: good", "action: good", "not a start action"),
    ("pass: {note: $note}", "pass: {nota: $note}", "nota: $note", "no field 'nota'"),
    (", pass: {note: $note}", "", "{procedure: glance", "'note' of action 'ask' is not passed"),
    ("on_end: {fine: seen, bad", "on_end: {fine: seen, good: seen, bad", "good: seen", "cannot end in 'good'"),
    ("on_end: {fine: seen, bad: {action: seen_bad, pass: {grade: $grade}}}", "on_end: {fine: seen}", "on_end: {fine", "lacks bad"),
    ("on_end: {fine: seen,", "on_end: {fine: finish,", "fine: finish", "not system: true"),
    ("on_end: {fine: seen,", "on_end: {fine: time_up,", "fine: time_up", "not possible in the waiting state 'looking'"),
    ("pass: {grade: $grade}", "pass: {grade: $mark}", "grade: $mark", "no field 'mark'"),
    ("key: l\n", "key: f\n", "key: f}", "already used"),
    ("holder: {children: look}", "holder: {children: lok}", "children: lok", "no child relation"),
    (", after_end: true}", "}", "from: done", "is final"),
    ("run: [half]}", "run: []}", "half: {title", "never runs"),
    ("expire: time_up", "expire: seen", "expire: seen", "'seen' is not possible"),
    ("outcome: ok}", "outcome: ok, run: [main]}", "done: {title", "has no clocks"),
    ("stage: work, holder: {role: unit}, run", "stage: wrk, holder: {role: unit}, run", "stage: wrk", "no stage 'wrk'"),
    ("key: n\n", "key: n\n    colour: red\n", "colour", "unknown key 'colour'"),
    ("title: {zh: 上报, en: Report}", "title: {zh: 上报}", "title: {zh: 上报}", "en text is missing"),
    ("required: true, column", "required: yes, column", "required: yes", "true or false"),
    ("    start: true\n", "    start: true\n    from: open\n", "from: open\n    to: open", "no from"),
    ("key: l\n", "key: LL\n", "key: LL", "not written as"),
    ("key: l\n", "key: j\n", "key: j", "not written as"),
    ("    by: [dispatcher]\n    key: n", "    key: n", "report:", "nobody can do it"),
    ("by: [unit]\n    key: l", "by: [unit]\n    across: [leadr]\n    key: l", "leadr", "no role 'leadr'"),
    ("by: [unit]\n    key: l", "by: [dispatcher]\n    across: [unit]\n    key: l", "unit]\n    key: l", "cannot act across platforms"),
    ("    start: true\n", "    start: true\n    across: [dispatcher]\n", "across", "has no across"),
    ("pass: {note: $note}", "platform: $note, pass: {note: $note}", "platform: $note", "must be of type platform"),
    ("pass: {note: $note}", "platform: county, pass: {note: $note}", "platform: county", "not written as"),
    ("assigns: {organisation: $unit}", "assigns: {platform: $unit}", "platform: $unit", "must be of type platform"),
    ("assigns: {organisation: $unit}", "assigns: {platform: $unit}", "assigns", "must clear unit and person"),
    ("assigns: {organisation: $unit}", "assigns: {platform: $unit}", "assigns", "start action cannot hand over"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "where", "words"), WRONG, ids=[f"{w[3]}:{w[1][:24]}" for w in WRONG])
def test_each_fault_is_found_at_its_place(old: str, new: str, where: str, words: str) -> None:
    assert GOOD.count(old) == 1
    text = GOOD.replace(old, new)
    faults = check(sources(text), KNOWN)
    hits = [f for f in faults if (f.line, f.column) == place(text, where) and words in f.message.en]
    assert hits, "\n".join(map(str, faults))
    assert hits[0].file == "fix.yaml"
    assert hits[0].message.zh and hits[0].message.zh != hits[0].message.en
    assert all(f.line > 0 and f.column > 0 and f.message.zh for f in faults)


def test_states_that_lead_nowhere_or_cannot_be_reached() -> None:
    text = GOOD.replace(
        "  done: {title", "  lost: {title: {zh: 迷, en: Lost}, stage: work, holder: {role: unit}}\n  done: {title"
    )
    text = text.replace("from: '*'", "from: [open, looking, again]")
    found = {f.message.en for f in check(sources(text), KNOWN)}
    assert found == {"state 'lost' can never be reached", "state 'lost' is not final and has no exit"}


def test_all_faults_come_at_once_and_nothing_loads() -> None:
    text = (
        GOOD.replace("unit: work_hour", "unit: week").replace("to: looking", "to: lookin").replace("key: n", "key: NN")
    )
    text = text.replace("by: [unit], key: f", "by: [untie], key: f")
    with pytest.raises(ProceduresBroken) as broken:
        load(sources(text, CHILD.replace("to: fine", "to: fien")), KNOWN)
    words = " | ".join(f.message.en for f in broken.value.faults)
    for one in ("'week'", "'lookin'", "'NN'", "'untie'", "'fien'"):
        assert one in words
    assert {f.file for f in broken.value.faults} == {"fix.yaml", "glance.yaml"}
    order = [(f.file, f.line, f.column) for f in broken.value.faults]
    assert order == sorted(order)


def test_a_wrong_part_does_not_make_false_faults() -> None:
    """A field of unknown type is one fault, not also an unknown reference for everything that names it."""
    faults = check(sources(GOOD.replace("type: organisation", "type: organization")), KNOWN)
    assert len(faults) == 1


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("procedure: a\nprocedure: b\n", 2, 1, "written twice; first on line 1"),
        ("a: [1, 2\nb: 3\n", 2, 2, "syntax error"),
        ("a: &x {b: 1}\nc: *x\n", 1, 4, "anchors and aliases"),
        ("a: !!python/object:os.system {}\n", 1, 4, "tag"),
        ("a: !mine 1\n", 1, 4, "tag"),
        ("- a\n", 1, 1, "mapping"),
        ("", 1, 1, "empty"),
        ("a: b\x00\n", 1, 5, "does not allow"),
        ("? [a]\n: b\n", 1, 3, "key must be text"),
        ("\ttab: 1\n", 1, 1, "syntax error"),
    ],
)
def test_what_is_no_yaml_of_ours(text: str, line: int, column: int, words: str) -> None:
    _tree, faults = read(SourceFile("x.yaml", text))
    assert any(words in f.message.en for f in faults), faults
    assert (faults[0].line, faults[0].column) == (line, column)


def test_bombs_are_refused_quickly() -> None:
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30)
    )
    assert check([SourceFile("b.yaml", bomb)])
    assert check([SourceFile("d.yaml", "a: " + "[" * 3000 + "]" * 3000)])
    assert check([SourceFile("e.yaml", "a: 1\n" * 300_000)])


def test_words_stay_words() -> None:
    """`yes`, `no`, `on`, a date, a time and a number with a leading zero are text; only true and false are booleans."""
    data = read(SourceFile("x", "a: yes\nb: on\nno: 12:30\nd: 2026-01-02\ne: 0101\nf: 15\ng: true\nh: '15'\ni: ~\n"))[
        0
    ].data
    assert data == {
        "a": "yes",
        "b": "on",
        "no": "12:30",
        "d": "2026-01-02",
        "e": "0101",
        "f": 15,
        "g": True,
        "h": "15",
        "i": None,
    }


def test_a_version_comes_back_as_it_was() -> None:
    for procedure in load(sources(), KNOWN):
        again = from_canonical(procedure.text)
        assert again == procedure
        assert again.digest == procedure.digest


def test_the_digest_follows_meaning_not_layout() -> None:
    first = load(sources(), KNOWN).get("fix")
    same = load(sources("# a comment\n" + GOOD.replace("key: n", "key:   n")), KNOWN).get("fix")
    other = load(sources(GOOD.replace("value: 2, unit", "value: 3, unit")), KNOWN).get("fix")
    assert first.digest == same.digest != other.digest
    assert len(first.digest) == 64


def test_two_files_of_one_procedure() -> None:
    faults = check([*sources(), SourceFile("other.yaml", CHILD)], KNOWN)
    assert [(f.file, f.field) for f in faults] == [("other.yaml", "procedure")]


@given(st.text(max_size=200))
def test_no_text_makes_the_reader_fall(text: str) -> None:
    for fault in check([SourceFile("x.yaml", text)], KNOWN):
        assert fault.line >= 1 and fault.column >= 1 and fault.message.en


@given(
    st.integers(0, len(GOOD) - 1),
    st.integers(1, 40),
    st.sampled_from(["", "x", "{", "[1]", ": ", "null", "~", "3.5", "\n"]),
)
def test_no_damage_makes_the_loader_fall(at: int, length: int, patch: str) -> None:
    """Cut a piece out, put something in: either it loads, or there are faults with places; never another error."""
    text = GOOD[:at] + patch + GOOD[at + length :]
    for fault in check(sources(text), KNOWN):
        assert fault.file in ("fix.yaml", "glance.yaml")
        assert fault.line <= text.count("\n") + CHILD.count("\n") + 2
