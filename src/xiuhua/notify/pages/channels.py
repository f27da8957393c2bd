"""What is configured and what the rules say: for the administrator, without secrets."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from xiuhua.casework.pages import present
from xiuhua.city.access import requires
from xiuhua.city.platforms import platforms
from xiuhua.notify import rules
from xiuhua.notify.channels.registry import TITLES, medium


@requires("outbox.manage")
@require_safe
def shown(request: HttpRequest) -> HttpResponse:
    platform = platforms().by_id.get(present.platform_of(request.actor))  # type: ignore[attr-defined]
    try:
        found, broken = rules.read(platform.code if platform else ""), ""
    except (rules.RulesBroken, OSError) as error:
        found, broken = rules.rules_of(platform.code if platform else ""), str(error)
    lines = [(one, one.title.text(), [_way(way) for way in one.ways]) for one in found.rules]
    channels = [(one.code, TITLES.get(medium(one.kind), one.kind)) for one in settings.NOTIFY_CHANNELS]
    return render(
        request,
        "notify/channels.html",
        {
            "channels": channels,
            "rules": lines,
            "sample": found.sample,
            "source": found.source.text(),
            "quiet": found.quiet,
            "broken": broken,
            "public_url": settings.PUBLIC_URL,
        },
    )


def _way(way: rules.Way) -> tuple[object, int]:
    return (", ".join(way.to) if way.by == "channel" else TITLES[way.by], way.after)
