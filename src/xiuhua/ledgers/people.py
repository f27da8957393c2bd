"""What the ledgers of people and their posts check, and what stands beside a person.

An account made here has no password: it cannot log in until one is set. Phones are kept sealed and found by their
whole number only. An appointment gives a role; only who manages accounts of the post's platform may give it.
"""

from __future__ import annotations

import re

from django.contrib.auth.hashers import make_password
from django.db.models import Model
from django.urls import reverse

from xiuhua.city.access import Actor
from xiuhua.city.models import Organisation, Post, User
from xiuhua.ledgers.drafts import Draft, Work
from xiuhua.manifest import Text

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,59}")


def prepare(work: Work, drafts: list[Draft]) -> None:
    """Names of accounts, and units of the same platform."""
    units = {draft.get("organisation_id") for draft in drafts} - {None}
    owners = dict(Organisation.objects.filter(pk__in=units).values_list("pk", "platform_id"))
    for draft in drafts:
        name = draft.get("username")
        if draft.row is None:
            draft.values["password"] = make_password(None)
            if not _NAME.fullmatch(str(name)):
                draft.fault(
                    "username",
                    "登录名用小写字母、数字和 . _ -，2至60位。",
                    "A log-in name has 2 to 60 small letters, digits, and . _ -.",
                )
        unit = draft.get("organisation_id")
        if unit is not None and owners.get(unit) != draft.get("platform_id"):
            draft.fault("organisation", "单位不属于所填平台。", "The unit belongs to another platform.")
        if draft.row is not None and draft.row.pk == work.actor.user_id and draft.get("is_active") is False:
            draft.fault("is_active", "不能停用自己的账号。", "You cannot switch off your own account.")


def prepare_appointments(work: Work, drafts: list[Draft]) -> None:
    """The platform of an appointment is that of its post, and so is the right to give it."""
    posts = dict(Post.objects.filter(pk__in={d.get("post_id") for d in drafts}).values_list("pk", "platform_id"))
    people = dict(User.objects.filter(pk__in={d.get("user_id") for d in drafts}).values_list("pk", "platform_id"))
    for draft in drafts:
        platform = posts.get(draft.get("post_id"))
        draft.belongs["post__platform_id"] = platform
        if people.get(draft.get("user_id")) != platform:
            draft.note("user", "人员与岗位不在同一平台。", "The person belongs to another platform than the post.")
        since, until = draft.get("since"), draft.get("until")
        if since and until and until < since:
            draft.fault("until", "止日早于起日。", "The last day is before the first.")


def related(row: Model, actor: Actor) -> list[tuple[Text, list[tuple[str, str, str]]]]:
    """The posts of a person, newest first."""
    rows = row.appointments.select_related("post").order_by("-since", "-id")[:50]  # type: ignore[attr-defined]
    lines = [
        (str(one.post), f"{one.since} — {one.until or ''}", reverse("ledger-row", args=["appointments", one.pk]))
        for one in rows
    ]
    return [(Text("任职", "Posts held"), lines)]
