"""Every part renders in both languages with the guide's data, says its words and escapes what people typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.template import Context, Template
from django.template.loader import render_to_string
from django.utils import translation

import xiuhua.ui
from xiuhua.manifest import Text
from xiuhua.ui import guide_data
from xiuhua.ui.forms import CONTROLS, FormView, Option, Question, question
from xiuhua.ui.guide_data import Asked
from xiuhua.ui.parts import Badge, Button, Layer, MapView

TEMPLATES = Path(xiuhua.ui.__file__).parent / "templates"
LANGUAGES = ["zh-hans", "en"]
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}


class Balance(HTMLParser):
    """Fails for tags that do not close in order, double attributes and double ids."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _value in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        identifier = dict(attrs).get("id")
        if identifier:
            assert identifier not in self.ids, f"id {identifier!r} stands twice"
            self.ids.add(identifier)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()


def whole(html: str) -> str:
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    return html


def context_of(name: str, data: dict[str, Any]) -> dict[str, Any]:
    """What the part of that name is given here."""
    return {
        "heading": "标题",
        "title": "标题",
        "text": "说明",
        "tone": "soon",
        "url": "/x",
        "action": "去",
        "buttons": data["buttons"],
        "button": data["buttons"][0],
        "tags": data["tags"],
        "clear_url": "/",
        "badge": data["times"][0],
        "time": data["times"][1],
        "stages": data["stages"],
        "before": data["before"],
        "after": data["after"],
        "moments": data["timeline"],
        "rows": data["facts"],
        "confirm": data["confirm"],
        "next_url": "/next",
        "total": "10,000+",
        "form": data["form"],
        "question": data["form"].questions[0],
        "map": data["map"],
        "as_of": data["now"],
    }


def parts() -> list[str]:
    return sorted(p.relative_to(TEMPLATES).as_posix() for p in (TEMPLATES / "ui" / "parts").glob("*.html"))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", parts())
def test_every_part_renders(request_for: Callable[..., Any], name: str, language: str) -> None:
    with translation.override(language):
        html = render_to_string(name, context_of(name, guide_data.sample()), request_for())
    whole(html)
    assert html.strip() or name.endswith(("messages.html",))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", guide_data.PAGES)
def test_every_guide_page_is_whole(
    request_for: Callable[..., Any], someone: Callable[..., Any], page: str, language: str
) -> None:
    with translation.override(language):
        context = {"guide": guide_data.sample(), "page_name": page}
        html = whole(render_to_string(f"ui/guide/{page}.html", context, request_for("/ui/guide", someone())))
    assert ("样式指南" in html) == (language == "zh-hans")
    assert f'<html lang="{"zh-Hans" if language == "zh-hans" else "en"}"' in html


@pytest.mark.parametrize("kind", sorted(CONTROLS))
def test_every_kind_of_field_has_a_label_help_and_errors_that_are_found(kind: str) -> None:
    choices = (guide_data.Chosen("a", Text("甲", "A")), guide_data.Chosen("b", Text("乙", "B")))
    asked = question(
        Asked("answer", kind, Text("问题", "Question"), True, Text("提示", "Hint"), choices),
        errors=("缺少答案",),
    )
    with translation.override("en"):
        html = whole(render_to_string("ui/parts/field.html", {"question": asked}))
    label = '<label class="x-check">' if kind == "bool" else '<label class="x-label" for="q-answer">Question'
    assert ("<legend>Question" if asked.is_group else label) in html
    assert 'id="q-answer"' in html
    assert 'aria-describedby="q-answer-help q-answer-error"' in html
    assert 'id="q-answer-help"' in html and 'id="q-answer-error"' in html
    assert "缺少答案" in html
    assert 'name="answer' in html or asked.type == "photos"


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(ValueError, match="hologram"):
        question(Asked("x", "hologram", Text("x", "x")))


def test_many_choices_become_a_list_to_search() -> None:
    few = Question("q", "choice", "Q", options=tuple(Option(str(n), str(n)) for n in range(6)))
    many = replace(few, options=tuple(Option(str(n), str(n)) for n in range(7)))
    assert few.template.endswith("choice.html") and few.is_group
    assert many.template.endswith("select.html") and not many.is_group


def test_what_was_typed_comes_back_and_is_escaped() -> None:
    evil = '"><script>alert(1)</script>'
    form = FormView(
        [
            question(Asked("a", "text", Text("甲", "A")), evil),
            question(Asked("b", "long_text", Text("乙", "B")), evil),
            question(Asked("c", "position", Text("丙", "C")), {"lon": evil, "lat": "29.8", "datum": "gcj02"}),
            question(Asked("d", "datetime", Text("丁", "D")), datetime(2026, 11, 23, 1, 5, tzinfo=UTC)),
            question(
                Asked("e", "hands", Text("戊", "E")), [{"user": 7, "lead": True}], options=[Option("user:7", evil)]
            ),
        ],
        "/send",
        "Send",
    )
    html = whole(render_to_string("ui/parts/form.html", {"form": form}))
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;") == 4
    assert 'value="29.8"' in html and '<option value="gcj02" selected>' in html
    assert 'value="2026-11-23T09:05"' in html
    assert 'name="e.lead" value="user:7" data-lead checked' in html


def test_a_stored_position_shows_what_was_given() -> None:
    stored = {"lon_e7": 1143220000, "lat_e7": 298460000, "datum": "wgs84", "raw_x": "114.322", "raw_y": "29.846"}
    assert Question("p", "position", "P", value=stored).position["lon"] == "114.322"
    bare = Question("p", "position", "P", value={"lon_e7": 1143220000, "lat_e7": 298460000})
    assert (bare.position["lon"], bare.position["lat"]) == ("114.322000", "29.846000")


def test_a_case_in_another_shape_of_time_words() -> None:
    """Clock words call the tone `state`."""

    class Words:
        text, state, icon, title = "超期", "red", "alert-triangle", ""

    assert "x-tone-over" in render_to_string("ui/parts/time.html", {"time": Words()})
    assert "—" in render_to_string("ui/parts/time.html", {"time": None})


def test_actions_show_keys_and_say_why_not() -> None:
    buttons = [Button("派遣", "/d", "d", "primary"), Button("结案", "/c", "c", refusal="须先核查")]
    html = whole(render_to_string("ui/parts/actions.html", {"buttons": buttons}))
    assert 'data-key="d"' in html and 'data-key="c"' not in html
    assert "须先核查" in html and 'href="/c"' not in html
    assert 'role="group"' in render_to_string("ui/parts/actions.html", {"buttons": []})


def test_a_post_button_carries_the_csrf_token(request_for: Callable[..., Any]) -> None:
    context = {"button": Button("撤销", "/undo", method="post")}
    assert "csrfmiddlewaretoken" in render_to_string("ui/parts/button.html", context, request_for())


def test_the_map_hands_over_tiles_and_layers(settings: Any) -> None:
    import json

    settings.MAP_TILE_URL, settings.MAP_TILE_DATUM = "https://t.example.cn/{z}/{x}/{y}", "gcj02"
    config = json.loads(MapView([Layer("cases", "/c.json", Text("案件", "Cases"))], centre=(114.3, 29.8)).config)
    assert [(tile["url"], tile["datum"]) for tile in config["tiles"]] == [("https://t.example.cn/{z}/{x}/{y}", "gcj02")]
    assert config["layers"][0]["url"] == "/c.json" and config["centre"] == [114.3, 29.8]


def render(text: str, **context: Any) -> str:
    return Template("{% load xiuhua %}" + text).render(Context(context))


@pytest.mark.parametrize(
    ("text", "value", "shown"),
    [
        ("{{ v|datetime }}", datetime(2026, 11, 23, 1, 5, tzinfo=UTC), "2026-11-23 09:05"),
        ("{{ v|datetime }}", date(2026, 11, 23), "2026-11-23"),
        ("{{ v|datetime }}", None, "—"),
        ("{{ v|iso }}", datetime(2026, 11, 23, 1, 5, tzinfo=UTC), "2026-11-23T09:05:00+08:00"),
        ("{{ v|money }}", "56180", "¥56,180.00"),
        ("{{ v|money }}", "-0.005", "-¥0.01"),
        ("{{ v|money }}", None, "—"),
        ("{{ v|area }}", 4085, "4,085 m²"),
        ("{{ v|area }}", "4085.5", "4,086 m²"),
        ("{{ v|number }}", 10000, "10,000"),
        ("{{ v|number }}", "10,000+", "10,000+"),
        ("{{ v|number }}", 0, "0"),
        ("{{ v|coordinate }}", 1143220000, "114.322000"),
        ("{{ v|masked }}", "138****0000", '<span class="x-masked">138****0000</span>'),
        ("{{ v|tone }}", "amber", "x-tone-soon"),
        ("{{ v|tone }}", "sparkling", ""),
        ("{{ v|local }}", {"zh": "案件", "en": "Case"}, "案件"),
        ("{{ v|local }}", Text("案件", "Case"), "案件"),
    ],
)
def test_filters(text: str, value: Any, shown: str) -> None:
    with translation.override("zh-hans"):
        assert render(text, v=value) == shown


def test_no_data_is_not_zero() -> None:
    with translation.override("zh-hans"):
        assert render("{{ v|number }}", v=None) == "无数据"


def test_badge_is_escaped() -> None:
    html = render_to_string("ui/parts/badge.html", {"badge": Badge("<b>", "over", "clock", '"x"')})
    assert "&lt;b&gt;" in html and "&quot;x&quot;" in html
