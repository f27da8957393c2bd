"""The change of duty on one page: what is left, two signatures; and the ones before."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from xiuhua.casework import moments, permits
from xiuhua.casework.ids import row_id
from xiuhua.casework.models import Case
from xiuhua.casework.pages import present
from xiuhua.casework.refusal import Refused
from xiuhua.city.access import Actor, requires
from xiuhua.city.models import Platform, Post
from xiuhua.city.platforms import platforms
from xiuhua.command import duty, hand_over
from xiuhua.command.hand_over import READ, SIGN
from xiuhua.command.models import HandOver
from xiuhua.manifest import Text
from xiuhua.ui.parts import Badge

EARLIER = 20


def _platform(request: HttpRequest, actor: Actor) -> Platform:
    """The platform asked for among those of the actor's seats, else the first of them."""
    have = hand_over.seat_platforms(actor)
    asked = row_id(request.GET.get("platform", ""))
    if not have:
        raise Http404
    return get_object_or_404(Platform, pk=asked if asked in have else have[0])


@requires(READ)
@require_http_methods(["GET", "POST"])
def current(request: HttpRequest) -> HttpResponse:
    """The change of duty in hand. POST: the off-going duty signs."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    platform = _platform(request, actor)
    now = moments.now()
    rules = duty.rules_of(platform.code)
    moment = duty.moment_of(rules, now)
    row = hand_over.current(platform.pk, moment)
    if request.method == "POST":
        try:
            row = hand_over.sign_off(actor, platform, request.POST.get("notes", ""), request.POST.get("absences", ""))
        except Refused as refused:
            messages.error(request, refused.refusal.message)
            return redirect("hand-over")
        messages.success(request, _("Signed. The next duty takes over here."))
        return redirect("hand-over-row", row.pk)
    if row is not None:
        return redirect("hand-over-row", row.pk)
    context = {
        **_common(actor, platform),
        "title": moment.change.title.text(),
        "moment": moment.at,
        "sample": rules.sample,
        "parts": [
            {"title": part.section.title.text(), "total": part.total, "rows": present.rows(part.cases)}
            for part in hand_over.parts(actor, platform.pk, rules, now)
        ],
        "vacant": [_post(post) for post in hand_over.vacant(platform.pk, now)],
        "may_sign": platform.pk in hand_over.seat_platforms(actor, SIGN),
        "most_words": hand_over.MOST_WORDS,
        "as_of": now,
    }
    return render(request, "command/hand_over.html", context)


@requires(READ)
@require_safe
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """A hand-over that was signed: the frozen list, how the cases stand now, and whether it holds together."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    row = _row(actor, pk)
    content = hand_over.content_of(row)
    numbers = {case["number"] for section in content["sections"] for case in section["cases"]}
    found = permits.visible(actor, Case.objects.filter(number__in=numbers)).select_related("parent__parent")
    by_number = {line.case.number: line for line in present.rows(found)}
    sections = []
    for section in content["sections"]:
        lines = [(case, by_number.get(case["number"])) for case in section["cases"]]
        sections.append(
            {
                "title": Text(**section["title"]),
                "total": section["total"],
                "rows": [line for _case, line in lines if line is not None],
                "moved": sum(line is not None and line.case.state != case["state"] for case, line in lines),
            }
        )
    rules = duty.rules_of(row.platform.code)
    titles = {change.code: change.title.text() for change in rules.changes}
    signing = (
        row.platform_id in hand_over.seat_platforms(actor, SIGN) and row.withdrawn_at is None and row.on_by_id is None
    )
    context = {
        **_common(actor, row.platform),
        "title": titles.get(row.change, Text(row.change, row.change)),
        "moment": row.moment,
        "row": row,
        "words": hand_over.words_of(row),
        "state": _state(row),
        "faults": hand_over.faults(row),
        "parts": sections,
        "vacant": [_post(post) for post in Post.objects.filter(code__in=content["vacant"]).order_by("code")],
        "take_over": signing and row.off_by_id != actor.user_id,
        "withdraw": signing and row.off_by_id == actor.user_id,
        "as_of": row.off_at,
    }
    return render(request, "command/hand_over.html", context)


@requires(SIGN)
@require_POST
def sign(request: HttpRequest, pk: int) -> HttpResponse:
    """``do=take_over``: the on-coming duty signs; ``do=withdraw``: the off-going duty takes its own back."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    row = _row(actor, pk)
    deeds = {"take_over": hand_over.take_over, "withdraw": hand_over.withdraw}
    deed = deeds.get(request.POST.get("do", ""))
    if deed is None:
        raise Http404
    try:
        deed(actor, row)
    except Refused as refused:
        messages.error(request, refused.refusal.message)
        return redirect("hand-over-row", pk)
    if deed is hand_over.withdraw:
        messages.success(request, _("Withdrawn; it can be signed anew."))
        return redirect("hand-over")
    messages.success(request, _("You have taken over the duty."))
    return redirect("hand-over-row", pk)


def _row(actor: Actor, pk: int) -> HandOver:
    rows = HandOver.objects.select_related("platform", "off_by", "on_by")
    return get_object_or_404(rows, pk=pk, platform__in=hand_over.seat_platforms(actor))


def _common(actor: Actor, platform: Platform) -> dict[str, Any]:
    """Platforms to choose from, and the last hand-overs of this one. One statement."""
    have = hand_over.seat_platforms(actor)
    rows = HandOver.objects.filter(platform=platform).select_related("off_by", "on_by").order_by("-id")[:EARLIER]
    return {
        "platform": platform.title(get_language()),
        "platforms": [(pk, platforms().name(pk), pk == platform.pk) for pk in have] if len(have) > 1 else [],
        "here": reverse("hand-over"),
        "earlier": [(one, _state(one)) for one in rows],
    }


def _post(post: Post) -> str:
    english = (get_language() or "").startswith("en")
    return (post.name_en if english else "") or post.name


def _state(row: HandOver) -> Badge:
    if row.withdrawn_at is not None:
        return Badge(_("Withdrawn"), "done")
    if row.on_by_id is not None:
        return Badge(_("Taken over"), "ok", "checks")
    return Badge(_("Waits for the next duty"), "soon", "clock")
