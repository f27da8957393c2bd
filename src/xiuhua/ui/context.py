"""What every page needs: navigation, language, theme, search, map settings (`shell` in templates)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject, cached_property
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from xiuhua import manifest
from xiuhua.manifest import NAV_GROUPS, Manifest, NavItem, Text
from xiuhua.ui.strings import strings

THEME_COOKIE = "xiuhua_theme"
GROUP_ICONS = {
    "desk": "layout-dashboard",
    "sense": "radar-2",
    "analyse": "chart-histogram",
    "serve": "heart-handshake",
    "command": "route",
    "supervise": "scale",
    "ledgers": "books",
    "settings": "settings",
}
#: Entries of the phone's bottom bar besides "more".
BOTTOM_ITEMS = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One link of the navigation."""

    title: Text
    url: str
    icon: str
    active: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """One verb of the navigation with what the person may use."""

    code: str
    title: Text
    icon: str
    items: tuple[Entry, ...]

    @property
    def active(self) -> bool:
        return any(item.active for item in self.items)


def may_see(actor: Any, item: NavItem) -> bool:
    """Signed-in people see items that ask nothing; all others need the permission."""
    return actor is not None and (item.permission in ("", "signed_in") or actor.has(item.permission))


def url_of(name: str) -> str:
    """The address of a page by URL name; '' when no room serves it."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def navigation(rooms: Iterable[Manifest], actor: Any, path: str) -> tuple[Group, ...]:
    """Groups in the order of the verbs, no empty ones; the longest address beginning the path is active."""
    allowed = [(item, url_of(item.url_name)) for room in rooms for item in room.nav if may_see(actor, item)]
    allowed = [(item, url) for item, url in allowed if url]
    under = [url for _item, url in allowed if path == url or (url != "/" and path.startswith(_folder(url)))]
    active = max(under, key=len, default="")
    groups = []
    for code, title in NAV_GROUPS.items():
        items = sorted(((i, u) for i, u in allowed if i.group == code), key=lambda pair: pair[0].order)
        if items:
            entries = tuple(Entry(i.title, url, i.icon, url == active) for i, url in items)
            groups.append(Group(code, title, GROUP_ICONS[code], entries))
    return tuple(groups)


def _folder(url: str) -> str:
    return url if url.endswith("/") else url + "/"


class Shell:
    """Read by the base templates; everything is worked out when first asked for."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.demo: bool = settings.DEMO
        self.actor: Any = getattr(request, "actor", None)

    @cached_property
    def nav(self) -> tuple[Group, ...]:
        return navigation(manifest.rooms(), self.actor, self.request.path) if self.actor else ()

    @cached_property
    def bottom(self) -> tuple[Entry, ...]:
        """The first pages of the person's work for the phone's bottom bar (at most four, "more" apart)."""
        items = [item for group in self.nav if group.code != "settings" for item in group.items]
        return tuple(items[: BOTTOM_ITEMS if len(items) <= BOTTOM_ITEMS else BOTTOM_ITEMS - 1])

    @cached_property
    def language(self) -> str:
        return get_language() or settings.LANGUAGE_CODE

    @property
    def html_language(self) -> str:
        return "en" if self.language.startswith("en") else "zh-Hans"

    @property
    def other_language(self) -> tuple[str, str]:
        """Code and own name of the language to switch to."""
        other = "zh-hans" if self.language.startswith("en") else "en"
        return other, dict(settings.LANGUAGES)[other]

    @property
    def theme(self) -> str:
        """light, dark or auto: what the person chose on this device."""
        chosen = self.request.COOKIES.get(THEME_COOKIE, "")
        return chosen if chosen in ("light", "dark") else "auto"

    @cached_property
    def platform(self) -> str:
        """Name of the person's platform in the present language; '' when not signed in."""
        user = getattr(self.request, "user", None)
        platform = getattr(user, "platform", None)
        if platform is None:
            return ""
        return str(platform.name_en or platform.name) if self.language.startswith("en") else str(platform.name)

    @property
    def search_url(self) -> str:
        return url_of("search") if self.actor else ""

    @property
    def notices_url(self) -> str:
        return url_of("notices") if self.actor else ""

    @property
    def unread_url(self) -> str:
        return url_of("notices-unread") if self.actor else ""

    @property
    def live_url(self) -> str:
        """Where pages ask what changed when no stream tells them; '' for who may not read cases."""
        return url_of("live") if self.actor and self.actor.has("case.read") else ""

    @property
    def milliseconds(self) -> int:
        """Since 1970: what happens after this page's reading of the records is news to it."""
        return time.time_ns() // 1_000_000

    @property
    def stream_url(self) -> str:
        """Path, or port and path, of the stream; '' when there is none."""
        return str(settings.STREAM_URL)

    @property
    def home_url(self) -> str:
        return url_of("home") or "/"

    @property
    def account_url(self) -> str:
        return url_of("account")

    @property
    def logout_url(self) -> str:
        return url_of("logout")

    @property
    def guide_url(self) -> str:
        return url_of("ui-guide") if self.demo else ""

    @property
    def strings(self) -> dict[str, str]:
        return strings()

    @property
    def product(self) -> str:
        return _("Xiuhua")


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor: ``shell``, worked out only by templates that use it."""
    return {"shell": SimpleLazyObject(lambda: Shell(request))}
