"""What notices keep of a case, and what erases it."""

from __future__ import annotations

from xiuhua.casework.personal_stores import Erasure, Store
from xiuhua.manifest import Text
from xiuhua.notify.models import Delivery, Link, Notice


def _notices(e: Erasure) -> int:
    """Words, masked addresses, errors, numbers of providers, links: all but who was told when, and the receipt."""
    own = Notice.objects.filter(case_id=e.case_id).exclude(text={}).update(text={})
    ways = Delivery.objects.filter(notice__case_id=e.case_id)
    told = ways.exclude(target="", error="", reference="").update(target="", error="", reference="")
    return own + told + Link.objects.filter(case_id=e.case_id).delete()[0]


STORES: tuple[Store, ...] = (
    Store(
        "notices",
        ("Notice.text", "Delivery.target", "Delivery.error", "Delivery.reference", "Link.actions"),
        Text("通知的文字、发送地址（遮盖）和一次性链接", "Words of notices, masked addresses, one-time links"),
        Text(
            "置空；链接删除；保留何时通知何单位及回执",
            "Emptied; links deleted; who was told when, and the receipt, stay",
        ),
        _notices,
    ),
)

HOLDS_NONE: dict[str, str] = {
    "Notice.rule": "a code", "Notice.party": "staff, or the word reporter", "Notice.received_how": "a code",
    "Delivery.channel": "a code", "Delivery.state": "a code", "Ring.outcome": "a code",
    "Address.": "staff; sealed", "Link.token_digest": "a digest", "Link.browser_digest": "a digest",
}  # fmt: skip
