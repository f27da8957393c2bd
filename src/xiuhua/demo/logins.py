"""The log-ins of the demo city, printed by ``bin/run``."""

from __future__ import annotations

import os

from xiuhua.city.models import Post, User
from xiuhua.demo.foundation import people


def table() -> list[tuple[str, str, str]]:
    """Rows of user name, password and post; only the accounts that are worth a first look."""
    password = os.environ.get("XIUHUA_DEMO_PASSWORD", "")
    posts = {p.code: p for p in Post.objects.filter(code__in=[one.post for one in people()])}
    known = set(User.objects.values_list("username", flat=True))
    return [
        (one.username, password, f"{posts[one.post].name} / {posts[one.post].name_en}")
        for one in people()
        if one.shown and one.username in known and one.post in posts
    ]


def main(argv: list[str]) -> int:
    """Print them."""
    for row in table():
        print("  ".join(row))
    return 0
