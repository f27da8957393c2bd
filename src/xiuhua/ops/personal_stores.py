"""What operations keep of a case: the reason of a legal hold; and a word on Django's own tables."""

from __future__ import annotations

from xiuhua.casework.personal_stores import Erasure, Store
from xiuhua.manifest import Text
from xiuhua.ops.models import LegalHold


def _holds(e: Erasure) -> int:
    # One that stands refuses the erasure, so only lifted ones are met here.
    return LegalHold.objects.filter(case_id=e.case_id, lifted_at__isnull=False).exclude(reason="").update(reason="")


STORES: tuple[Store, ...] = (
    Store(
        "legal_hold",
        ("LegalHold.reason",),
        Text("已解除保全的事由", "Reasons of holds that were lifted"),
        Text("置空", "Emptied"),
        _holds,
    ),
)

HOLDS_NONE: dict[str, str] = {
    "LegalHold.document_number": "a document", "ErasureProposal.": "a rule and its state", "ErasureItem.": "a code",
}  # fmt: skip

#: Tables of Django itself: app.Model -> why.
DJANGO_HOLDS_NONE: dict[str, str] = {
    "sessions.Session": "staff's sessions; they end after a shift",
    "contenttypes.ContentType": "names of tables",
    "auth.Permission": "names of permissions",
    "auth.Group": "names of groups",
}
