"""Pinyin initials, so that operators find 路灯 by typing ``ld``. Computed at import into a column."""

from __future__ import annotations


def initials(text: str) -> str:
    """Lower-case initials of the syllables; Latin letters and digits stay, punctuation is left out.

    >>> initials("供水井盖")
    'gsjg'
    """
    # Half a second and its dictionaries in memory, which a process that serves pages never needs.
    from pypinyin import Style, lazy_pinyin

    parts = lazy_pinyin(text, style=Style.FIRST_LETTER, errors=lambda other: other)
    return "".join(c for c in "".join(parts).lower() if c.isascii() and c.isalnum())
