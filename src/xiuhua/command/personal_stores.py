"""What the command room keeps in words. A hand-over lists cases by number and holds no data of a reporter."""

from __future__ import annotations

from xiuhua.casework.personal_stores import Store

STORES: tuple[Store, ...] = ()

HOLDS_NONE: dict[str, str] = {
    "HandOver.content": "numbers of cases and codes",
    "HandOver.words": "staff: who is absent, what the next duty must know; a case is named by its number",
    "HandOver.change": "a code", "HandOver.salt": "random", "HandOver.words_digest": "a digest",
    "HandOver.previous_digest": "a digest", "HandOver.digest": "a digest", "HandOver.on_digest": "a digest",
}  # fmt: skip
