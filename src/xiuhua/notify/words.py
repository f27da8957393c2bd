"""The words of a notice in both languages, and the message made of them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone, translation

from xiuhua.casework import builtin, library
from xiuhua.casework.models import Case, Event
from xiuhua.casework.pages import present
from xiuhua.city.platforms import platforms
from xiuhua.notify.channels.message import Message
from xiuhua.notify.models import Notice
from xiuhua.notify.rules import Rule

LANGUAGES = {"zh": "zh-hans", "en": "en"}


def blanks(case: Case, action: str) -> dict[str, str]:
    """Word -> text in the present language. ``case`` has its parent at hand."""
    rules = library.version(case.procedure_id)
    above = case.parent if case.parent_id else None
    info = platforms().by_id.get(case.platform_id)
    return {
        "number": case.number,
        "title": present.title_of(case),
        "place": case.address or (above.address if above else "") or "—",
        "state": str(builtin.state_title(rules, case.state)),
        "unit": present.unit_name(case.holder_org_id or case.responsible_org_id),
        "due": f"{timezone.localtime(case.due_at):%Y-%m-%d %H:%M}" if case.due_at else "—",
        "action": str(builtin.action_title(rules, action)),
        "platform": str(info.name) if info else "",
    }


def text_of(rule: Rule, case: Case, event: Event) -> dict[str, Any]:
    """What is kept of a notice: subject and body by language, and the blanks of short messages."""
    found: dict[str, Any] = {}
    for code, language in LANGUAGES.items():
        with translation.override(language):
            filled = blanks(case, event.action)
        said = rule.text.zh if code == "zh" else rule.text.en
        found[code] = {"subject": said.subject.format_map(filled), "body": said.body.format_map(filled)}
        if code == "zh":
            found["words"] = filled
    return found


def shown(notice: Notice, language: str | None) -> tuple[str, str]:
    """Subject and body in a language; empty after an erasure."""
    said = notice.text.get("en" if (language or "").startswith("en") else "zh", {})
    return str(said.get("subject", "")), str(said.get("body", ""))


def message(notice: Notice, rule: Rule, key: str, language: str = "zh-hans", link: str = "") -> Message:
    subject, body = shown(notice, language)
    about = {
        "rule": notice.rule,
        "case": notice.case.number,
        "procedure": notice.case.procedure_code,
        "state": notice.case.state,
        "event": str(notice.event),
    }
    words = {**notice.text.get("words", {}), "link": link}
    return Message(key, subject, body, link, rule.sms, words, about)
