"""Overrides: deep, placed, and unable to take away what the law asks."""

from __future__ import annotations

from xiuhua.casework.procedures import SourceFile, check, from_canonical, load
from xiuhua.casework.tests.test_procedures import place

BASE = """\
procedure: fix
title: {zh: 维修, en: Fix}
clocks:
  main: {title: {zh: 时限, en: Limit}, limit: {value: 2, unit: work_hour}}
states:
  open: {title: {zh: 待办, en: Open}, holder: {role: unit}, run: [main]}
  done: {title: {zh: 完成, en: Done}, final: true}
actions:
  report: {title: {zh: 上报, en: Report}, start: true, to: open, by: [dispatcher, unit]}
  close:
    title: {zh: 结案, en: Close}
    from: open
    to: done
    by: [dispatcher]
    form: [{name: met, type: bool, title: {zh: 符合, en: Met}}]
    guards:
      - {ticked: met, lawful: true}
      - located
  stop:
    title: {zh: 终止, en: Stop}
    from: open
    to: done
    by: [leader]
    lawful: true
    guards: [{ticked: met, lawful: true}]
    form: [{name: met, type: bool, title: {zh: 符合, en: Met}}]
"""
HEAD = "override: fix\nfor: county\n"


def with_override(*texts: str) -> list[SourceFile]:
    return [SourceFile("base.yaml", BASE), *(SourceFile(f"own{i}.yaml", text) for i, text in enumerate(texts))]


def test_only_what_is_named_changes() -> None:
    own = HEAD + "clocks: {main: {limit: {value: 5, unit: day}}}\nactions: {report: {by: [collector]}}\n"
    library = load(with_override(own))
    base, county = library.get("fix"), library.get("fix", "county")
    assert str(base.clocks["main"].limit.amount("ordinary").value) == "2"
    assert str(county.clocks["main"].limit.amount("ordinary").value) == "5"
    assert county.clocks["main"].title == base.clocks["main"].title
    assert base.actions["report"].by == ("dispatcher", "unit")
    assert county.actions["report"].by == ("collector",), "lists are replaced, not joined"
    assert county.variant == "county" and county.digest != base.digest
    assert from_canonical(county.text) == county
    assert library.get("fix", "elsewhere") is base


def test_later_overrides_lie_on_earlier_ones_and_null_removes() -> None:
    library = load(
        with_override(
            HEAD + "actions: {note: {title: {zh: 记, en: Note}, from: open, by: [unit], key: n}}\n",
            HEAD + "actions: {note: {key: m}}\n",
        )
    )
    assert library.get("fix", "county").actions["note"].key == "m"
    removed = load(with_override(HEAD + "states: {open: {run: []}}\nclocks: {main: null}\n")).get("fix", "county")
    assert removed.clocks == {} and set(removed.states) == {"open", "done"}


def test_a_fault_names_the_file_that_wrote_it() -> None:
    own = HEAD + "states:\n  open: {run: [nope]}\n"
    faults = check(with_override(own))
    assert {(f.file, f.message.en) for f in faults} >= {("own0.yaml", "there is no clock 'nope'")}
    found = next(f for f in faults if "nope" in f.message.en)
    assert (found.line, found.column) == place(own, "nope")
    assert [f.file for f in faults if "never runs" in f.message.en] == ["base.yaml"]


def lawful_faults(text: str) -> list[str]:
    return [f"{f.file}:{f.line}: {f.message.en}" for f in check(with_override(text)) if "law" in f.message.en]


def test_a_lawful_guard_cannot_be_removed() -> None:
    own = HEAD + "actions:\n  close:\n    guards: [located]\n"
    assert lawful_faults(own) == [
        "own0.yaml:5: action 'close' lacks the lawful guard 'ticked'; an override cannot remove or change it"
    ]


def test_nor_changed_nor_emptied_nor_its_action_dropped() -> None:
    assert lawful_faults(HEAD + "actions: {close: {guards: [{ticked: other, lawful: true}]}}\n")
    assert lawful_faults(HEAD + "actions: {close: {guards: [{ticked: met}]}}\n"), "the mark itself cannot be dropped"
    assert lawful_faults(HEAD + "actions: {close: {guards: null}}\n")
    assert lawful_faults(HEAD + "actions: {close: null}\n")
    assert lawful_faults(HEAD + "actions: null\n")
    assert lawful_faults(HEAD + "actions: {stop: null}\n")
    assert lawful_faults(HEAD + "actions: {stop: {lawful: false}}\n")


def test_nor_walked_around_by_a_new_action() -> None:
    around = "actions: {slip: {title: {zh: 溜, en: Slip}, from: %s, to: done, by: [unit]%s}}\n"
    for origin in ("open", "[open]", "'*'"):
        assert lawful_faults(HEAD + around % (origin, ""))
    kept = ", form: [{name: met, type: bool, title: {zh: 符合, en: Met}}], guards: [{ticked: met, lawful: true}]"
    assert not check(with_override(HEAD + around % ("open", kept)))


def test_other_guards_may_go_and_more_may_come() -> None:
    own = HEAD + "actions: {close: {guards: [{ticked: met, lawful: true}, {joined: all}]}}\n"
    assert not check(with_override(own))
    longer = HEAD + "actions: {close: {guards: [{name: ticked, args: {value: met}, lawful: true}]}}\n"
    assert not check(with_override(longer)), "the long form says the same"


def test_heads_of_overrides() -> None:
    for text, field in [
        ("override: fix\n", "for"),
        ("override: fax\nfor: county\n", "override"),
        ("override: [fix]\nfor: county\n", "override"),
        ("override: fix\nfor: county\nprocedure: fax\n", "procedure"),
    ]:
        assert field in [f.field for f in check(with_override(text))], text
