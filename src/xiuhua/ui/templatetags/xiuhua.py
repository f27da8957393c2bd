"""Tags and filters of our templates: ``{% load xiuhua %}``."""

from __future__ import annotations

from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from xiuhua import request_id
from xiuhua.manifest import Text

register = template.Library()

#: What stands where there is no value: never 0, never empty.
NOTHING = "—"


@register.simple_tag
def icon(name: str, label: Any = "", size: str = "") -> SafeString:
    """An icon of the sprite. Decorative unless ``label`` says what it means. ``size``: '', sm or lg."""
    extra = f" x-icon-{size}" if size else ""
    href = f"{static('vendor/icons.svg')}#tabler-{name}"
    if label:
        return format_html(
            '<svg class="x-icon{}" role="img" aria-label="{}"><use href="{}"></use></svg>', extra, label, href
        )
    return format_html('<svg class="x-icon{}" aria-hidden="true"><use href="{}"></use></svg>', extra, href)


@register.simple_tag
def request_number() -> str:
    """The number of the request in hand, to be told to the operators; '' outside one."""
    return request_id.current()


@register.filter
def local(value: Any) -> str:
    """A `Text`, or a mapping with zh and en, in the language of the request."""
    if isinstance(value, dict) and "zh" in value:
        return str(Text(value["zh"], value.get("en") or value["zh"]))
    return "" if value is None else str(value)


@register.filter(name="datetime")
def datetime_(value: Any) -> str:
    """``2026-11-23 09:05`` in Asia/Shanghai; a plain date as ``2026-11-23``."""
    if isinstance(value, datetime):
        here = timezone.localtime(value) if timezone.is_aware(value) else value
        return here.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    return NOTHING


@register.filter
def iso(value: Any) -> str:
    """The same moment for ``<time datetime>``, with its zone."""
    if isinstance(value, datetime):
        here = timezone.localtime(value) if timezone.is_aware(value) else value
        return here.isoformat(timespec="seconds")
    return value.isoformat() if isinstance(value, date) else ""


def _decimal(value: Any) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except (InvalidOperation, ValueError):
        return None
    return number if number.is_finite() else None


@register.filter
def money(value: Any) -> str:
    """Yuan as ``¥56,180.00``, halves up."""
    number = None if value is None else _decimal(value)
    if number is None:
        return NOTHING
    rounded = number.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return f"{'-' if rounded < 0 else ''}¥{abs(rounded):,.2f}"


@register.filter
def area(value: Any) -> str:
    """Square metres as ``4,085 m²``."""
    number = None if value is None else _decimal(value)
    return NOTHING if number is None else f"{number.quantize(Decimal(1), ROUND_HALF_UP):,} m²"


@register.filter
def number(value: Any) -> str:
    """A count as ``10,000``; what is already words (``10,000+``) stays."""
    if value is None or value == "":
        return str(_("no data"))
    found = _decimal(value)
    return str(value) if found is None else f"{found:,f}"


@register.filter
def coordinate(value: Any) -> str:
    """Whole 1e-7 degrees, or degrees, as ``114.321000``."""
    if value is None or value == "":
        return NOTHING
    found = Decimal(value) / 10**7 if isinstance(value, int) else _decimal(value)
    return NOTHING if found is None else f"{found:.6f}"


@register.filter
def masked(value: Any) -> Any:
    """Personal data passes through as it came, already masked by its room; the mark makes it stand out."""
    return format_html('<span class="x-masked">{}</span>', value) if value else NOTHING


@register.filter
def tone(value: Any) -> str:
    """Class of a tone; unknown words give no colour."""
    return f"x-tone-{TONES[str(value)]}" if str(value) in TONES else ""


#: Words for tones as rooms say them -> the six tones of the tokens.
TONES = {
    "ok": "ok", "green": "ok", "leaf": "ok", "success": "ok",
    "soon": "soon", "amber": "soon", "warn": "soon", "warning": "soon",
    "over": "over", "red": "over", "danger": "over", "overdue": "over", "error": "over",
    "paused": "paused", "muted": "paused", "grey": "paused", "gray": "paused",
    "quiet": "paused", "none": "paused",
    "done": "done", "closed": "done",
    "info": "info", "primary": "info",
}  # fmt: skip
