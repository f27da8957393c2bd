"""What the ledgers of organisations, duties and places check."""

from __future__ import annotations

from xiuhua.city import organisations
from xiuhua.city.models import Organisation
from xiuhua.ledgers.drafts import Draft, Work

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)


def credit_code_ok(code: str) -> bool:
    """GB 32100-2015: 18 characters, the last one checks the others (modulo 31)."""
    if len(code) != 18 or any(sign not in _ALPHABET for sign in code):
        return False
    total = sum(weight * _ALPHABET.index(sign) for weight, sign in zip(_WEIGHTS, code, strict=False))
    return _ALPHABET[(31 - total % 31) % 31] == code[17]


def organisation(work: Work, drafts: list[Draft]) -> None:
    """Credit code with its check character; a parent of the same tree of platforms and not below the unit itself."""
    tree = organisations.tree()
    parents = {draft.get("parent_id") for draft in drafts} - {None}
    owners = dict(Organisation.objects.filter(pk__in=parents).values_list("pk", "platform_id"))
    for draft in drafts:
        code = str(draft.get("credit_code") or "").upper()
        if code:
            draft.values["credit_code"] = code
            if not credit_code_ok(code):
                draft.fault(
                    "credit_code",
                    "不是18位统一社会信用代码（校验位不符）。",
                    "This is no unified social credit code of 18 characters (its check character differs).",
                )
        parent = draft.get("parent_id")
        if parent is None:
            continue
        if draft.row is not None and parent in tree.subtree_ids(draft.row.pk):
            draft.fault("parent", "上级单位不能是本单位或其下级。", "The parent is this unit or stands below it.")
        if owners.get(parent) != draft.get("platform_id"):
            draft.note("parent", "上级单位属于另一平台。", "The parent belongs to another platform.")


def duty(work: Work, drafts: list[Draft]) -> None:
    """Digits of class and division, and the period."""
    for draft in drafts:
        for name, most in (("class_prefix", 5), ("division_prefix", 12)):
            text = str(draft.get(name) or "")
            if text and not (text.isascii() and text.isdigit() and len(text) <= most):
                draft.fault(name, f"应为至多{most}位数字。", f"At most {most} digits are expected.")
        first, last = draft.get("valid_from"), draft.get("valid_until")
        if first and last and last < first:
            draft.fault("valid_until", "止日早于起日。", "The last day is before the first.")


def place(work: Work, drafts: list[Draft]) -> None:
    """The source of what a file brings."""
    for draft in drafts:
        if draft.row is None and work.source and not draft.get("source"):
            draft.values["source"] = work.source
