"""Diagrams: well-formed, quiet under the content policy, in both languages, and without a line through a box."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xiuhua.casework.diagram import diagram
from xiuhua.casework.diagram_layout import BOX_HEIGHT, FONT, Layout, arrange, text_width
from xiuhua.casework.procedures import Procedure, SourceFile, from_canonical, load
from xiuhua.casework.tests.test_procedures import CHILD, GOOD
from xiuhua.manifest import Text

SVG = "{http://www.w3.org/2000/svg}"


def procedure() -> Procedure:
    return load([SourceFile("fix.yaml", GOOD), SourceFile("glance.yaml", CHILD)]).get("fix")


def laid_out(one: Procedure, language: str) -> Layout:
    return arrange(one, language, lambda stages: "任一环节", lambda state: "某某角色")


def assert_clean(layout: Layout) -> None:
    """No box over another, no line through a box, no two arrows on one line unless they share an end."""
    boxes = list(layout.boxes.values())
    for a, b in combinations(boxes, 2):
        apart = a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + BOX_HEIGHT <= b.y or b.y + BOX_HEIGHT <= a.y
        assert apart, f"{a.state} over {b.state}"
    for box in boxes:
        assert box.x >= 0 and box.x + box.width <= layout.width
        assert layout.head <= box.y and box.y + BOX_HEIGHT <= layout.height
        assert all(text_width(line, FONT) <= box.width - 8 for line in box.lines)
    pieces = []
    for wire in layout.wires:
        for (x1, y1), (x2, y2) in pairwise(wire.points):
            assert x1 == x2 or y1 == y2, f"{wire.source} -> {wire.to} is not at right angles: {wire.points}"
            assert (
                min(x1, x2) >= 0 and max(x1, x2) <= layout.width and min(y1, y2) >= 0 and max(y1, y2) <= layout.height
            )
            pieces.append((wire, min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)))
    for wire, x1, y1, x2, y2 in pieces:
        for box in boxes:
            inside = x1 < box.x + box.width and x2 > box.x and y1 < box.y + BOX_HEIGHT and y2 > box.y
            assert not inside, f"{wire.source} -> {wire.to} runs through {box.state}"
    for (a, ax1, ay1, ax2, ay2), (b, bx1, by1, bx2, by2) in combinations(pieces, 2):
        if a is b or (a.to == b.to) or (a.source and a.source == b.source):
            continue
        along_x = ay1 == ay2 == by1 == by2 and min(ax2, bx2) > max(ax1, bx1)
        along_y = ax1 == ax2 == bx1 == bx2 and min(ay2, by2) > max(ay1, by1)
        assert not (along_x or along_y), f"{a.source} -> {a.to} lies on {b.source} -> {b.to}"


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_it_is_a_quiet_svg(language: str) -> None:
    drawn = diagram(
        procedure(), language, current="open", counts={"open": 12, "gone": 3}, visited=["again"],
        role_titles={"unit": Text("<责任&单位>", "<Unit & co>")},
    )  # fmt: skip
    root = ElementTree.fromstring(drawn)
    assert root.tag == SVG + "svg" and root.get("role") == "img"
    for element in root.iter():
        assert element.tag not in (SVG + "style", SVG + "script", SVG + "foreignObject")
        assert not {name for name in element.attrib if name == "style" or name.startswith("on") or "href" in name}
    title, desc = root.find(SVG + "title"), root.find(SVG + "desc")
    assert title is not None and desc is not None
    assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
    assert ("维修" if language == "zh-hans" else "Fix") in str(title.text)
    assert "12" in str(desc.text)
    assert {g.get("data-state") for g in root.iter(SVG + "g") if g.get("data-state")} == set(procedure().states)


def test_present_state_and_counts_are_marked() -> None:
    drawn = diagram(
        procedure(), "en", current="open", counts={"open": 12, "again": 0, "done": 123456}, visited=("again",)
    )
    assert len(re.findall(r'class="pd-state[^"]*is-current', drawn)) == 1
    assert re.search(r'class="pd-state is-current" data-state="open"', drawn)
    assert re.search(r'class="pd-state is-visited" data-state="again"', drawn)
    assert ">12</text>" in drawn and ">9999+</text>" in drawn and ">0</text>" not in drawn
    assert "is-current" not in diagram(procedure(), "en", current="unknown")


def test_arrows_name_their_actions_in_the_language() -> None:
    zh, en = diagram(procedure(), "zh-hans"), diagram(procedure(), "en")
    assert "待办 → 查看: 查看" in zh and "Open → Looking: Look" in en
    assert "Looking → Again: Bad (automatic)" in en, "what only the engine does is said"
    assert not re.search(r"[\u4e00-\u9fff]", en)


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_nothing_overlaps(language: str) -> None:
    assert_clean(laid_out(procedure(), language))


@st.composite
def any_procedure(draw: st.DrawFn) -> Procedure:
    """States in stages at random and arrows between any of them; not a sensible procedure, but one to draw."""
    count = draw(st.integers(2, 9))
    names = [f"s{i}" for i in range(count)]
    stages = [f"g{i}" for i in range(draw(st.integers(1, 4)))]
    words = st.sampled_from(
        ["待办", "责任单位书面反馈意见", "To be dispatched again", "Open", "Unbelievablylongsingleword"]
    )
    states = {
        name: {
            "title": {"zh": draw(words), "en": draw(words)},
            "stage": draw(st.sampled_from(stages)),
            **({"final": True} if i == count - 1 else {"holder": {"role": "unit"}}),
        }
        for i, name in enumerate(names)
    }
    ways = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=14))
    title = {"zh": "动作", "en": "Action"}
    actions: dict[str, object] = {
        "a": {"title": title, "start": True, "to": draw(st.sampled_from(names)), "by": ["unit"]}
    }
    for i, (source, to) in enumerate(ways):
        actions[f"a{i}"] = {"title": title, "from": [source], "to": to, "by": ["unit"]}
    if draw(st.booleans()):
        actions["w"] = {"title": title, "from": "*", "to": draw(st.sampled_from(names)), "by": ["unit"]}
    import json

    return from_canonical(json.dumps({"procedure": "any", "title": title, "states": states, "actions": actions}))


@settings(max_examples=80, deadline=None)
@given(any_procedure(), st.sampled_from(["zh-hans", "en"]))
def test_no_procedure_draws_a_line_through_a_box(one: Procedure, language: str) -> None:
    assert_clean(laid_out(one, language))
    ElementTree.fromstring(diagram(one, language, current="s0", counts={"s0": 3}))
