"""The shell in a real browser: no breach of the policy, keyboard, map, phone width, accessibility."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SIZES = {"desk": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}


def session_of_somebody() -> str:
    """A session of an account without posts; the guide asks for no more."""
    model: Any = get_user_model()
    platform_model = model._meta.get_field("platform").related_model
    platform = platform_model.objects.create(code="421200", name="模拟平台", level="city", adcode="421200")
    user = model.objects.create_user("guide", "not-used-here", display_name="看样者", platform=platform)
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    return str(store.session_key)


class Window:
    """A page and all that its console complained about."""

    def __init__(self, page: Page, base: str) -> None:
        self.page, self.base = page, base
        self.complaints: list[str] = []
        page.on("console", self.heard)
        page.on("pageerror", lambda e: self.complaints.append(str(e)))

    def heard(self, message: Any) -> None:
        """Errors and warnings, but not the software renderer's remarks on its own speed."""
        if message.type in ("error", "warning") and "GL Driver Message" not in message.text:
            self.complaints.append(message.text)

    def open(self, path: str) -> Page:
        self.page.goto(self.base + path, wait_until="load")
        return self.page

    def draw_map(self) -> None:
        self.page.locator("[data-map]").first.scroll_into_view_if_needed()
        self.page.wait_for_selector("[data-map-state]", timeout=30_000)


@pytest.fixture
def windows(browser: Browser, live_server: Any) -> Iterator[Any]:
    opened: list[BrowserContext] = []
    session = session_of_somebody()

    def make(size: str = "desk", language: str = "zh-hans", theme: str = "light") -> Window:
        context = browser.new_context(viewport=SIZES[size], color_scheme=theme, has_touch=size == "phone")  # type: ignore[arg-type]
        cookies = {settings.SESSION_COOKIE_NAME: session, settings.LANGUAGE_COOKIE_NAME: language}
        context.add_cookies([{"name": n, "value": v, "url": live_server.url} for n, v in cookies.items()])
        opened.append(context)
        return Window(context.new_page(), live_server.url)

    yield make
    for context in opened:
        context.close()


@pytest.mark.parametrize(("size", "language", "theme"), [("desk", "zh-hans", "light"), ("phone", "en", "dark")])
def test_pages_keep_the_policy_fit_and_are_accessible(windows: Any, size: str, language: str, theme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    window = windows(size, language, theme)
    for name in ("parts", "form", "map", "case"):
        page = window.open(f"/ui/guide?page={name}")
        if page.locator("[data-map]").count():
            window.draw_map()
            assert page.get_attribute("[data-map]", "data-map-state") == "ready"
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, f"{name} is {overflow} px too wide"
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
        faults = [
            (v["id"], v["nodes"][0]["html"][:160], v["nodes"][0]["failureSummary"][:200])
            for v in found.response["violations"]
            if v["impact"] in ("serious", "critical")
        ]
        assert faults == [], name
    assert window.complaints == []


def test_keys_list_themselves_and_press_buttons(windows: Any) -> None:
    page = windows().open("/ui/guide?page=parts")
    page.keyboard.press("?")
    assert "派遣" in page.locator("#keys").inner_text()
    page.keyboard.press("Escape")
    assert not page.locator("#keys").is_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.locator("tr.is-here td").first.inner_text() == "4212002026112300001"
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/guide?page=case")


def test_a_category_is_found_by_its_initials_without_a_mouse(windows: Any) -> None:
    page = windows().open("/ui/guide?page=form")
    field = page.get_by_role("combobox", name="类别")
    field.focus()
    page.keyboard.type("wsjg")
    assert page.locator(".x-combo [role=option]").all_inner_texts() == ["污水井盖\n01-03"]
    page.keyboard.press("Enter")
    assert field.input_value() == "污水井盖"
    assert page.eval_on_selector("select[name=category]", "s => s.value") == "13"
    field.fill("没有这个")
    page.keyboard.press("Tab")
    assert field.input_value() == "污水井盖", "what does not exist is not taken"


def test_a_point_is_picked_by_key_and_by_click_and_typed(windows: Any) -> None:
    window = windows()
    page = window.open("/ui/guide?page=form")
    window.draw_map()
    page.wait_for_selector("[data-place] .x-said")
    lon = page.locator("[data-lon]")
    before = lon.input_value()
    page.locator(".maplibregl-canvas").click(position={"x": 100, "y": 80})
    clicked = lon.input_value()
    assert float(clicked) < float(before)
    page.locator(".maplibregl-canvas").focus()
    page.keyboard.press("Enter")
    assert lon.input_value() != clicked and abs(float(lon.input_value()) - float(before)) < 0.001
    lon.fill("114.330000")
    page.keyboard.press("Tab")
    page.locator("[data-place]", has_text="114.330000").wait_for()


def test_a_typed_draft_survives_and_personal_data_is_not_kept(windows: Any) -> None:
    page = windows().open("/ui/guide?page=form")
    page.eval_on_selector("[aria-invalid]", "e => e.removeAttribute('aria-invalid')")
    page.fill("#q-address", "模拟路 5 号")
    page.fill("#q-phone", "13800000000")
    kept = page.evaluate("Object.values(sessionStorage).join()")
    assert "模拟路 5 号" in kept and "13800000000" not in kept


def test_a_photo_is_sent_when_chosen_and_can_be_removed(windows: Any) -> None:
    page = windows().open("/ui/guide?page=form")
    pixel = bytes.fromhex("47494638396101000100800000ffffff00000021f90401000000002c00000000010001000002024401003b")
    page.set_input_files("#q-photos", {"name": "a.gif", "mimeType": "image/gif", "buffer": pixel})
    page.wait_for_selector(".x-upload-item input[name=photos][value=sample]", state="attached")
    page.set_input_files("#q-photos", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"x"})
    assert "a.txt" in page.locator(".x-upload-said").inner_text()
    page.click(".x-upload-item [data-remove]")
    assert page.locator(".x-upload-item").count() == 0


def test_photos_open_one_by_one_and_side_by_side(windows: Any) -> None:
    page = windows().open("/ui/guide?page=case")
    page.locator("a[data-photo]").first.click()
    viewer = page.locator("#viewer")
    assert viewer.locator("img").count() == 1
    page.keyboard.press("ArrowRight")
    assert "2" in viewer.locator("[data-viewer-count]").inner_text()
    viewer.locator("[data-viewer-pair]").click()
    assert viewer.locator("img").count() == 2
    page.keyboard.press("Escape")
    assert not viewer.is_visible()


def test_theme_is_kept_on_the_device(windows: Any) -> None:
    page = windows().open("/ui/guide")
    assert page.get_attribute("html", "data-bs-theme") == "light"
    page.click("[data-theme-switch]")
    page.reload()
    assert page.get_attribute("html", "data-bs-theme") == "dark"


def test_without_webgl_the_map_says_so_and_the_form_works(windows: Any) -> None:
    window = windows()
    window.page.add_init_script(
        "const real = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        " return kind.startsWith('webgl') ? null : real.call(this, kind, ...rest); };"
    )
    page = window.open("/ui/guide?page=form")
    window.draw_map()
    assert "WebGL" in page.locator("[data-map-said]").inner_text()
    page.fill("[data-lon]", "114.4")
    page.fill("[data-lat]", "29.9")
    page.keyboard.press("Tab")
    page.locator("[data-place]", has_text="114.4").wait_for()


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
def test_tiles_are_shifted_like_the_reference_does(windows: Any, datum: str) -> None:
    """The same as prcoords to a centimetre (1e-7 degree), and back."""
    import prcoords

    points = [(114.322, 29.846), (113.53, 29.03), (116.391, 39.907), (103.9, 1.3)]
    window = windows()
    page = window.open("/ui/guide")
    shifted = page.evaluate(
        """async ([points, datum]) => {
            const m = await import('/static/ui/datum.js');
            const there = points.map(([x, y]) => m.fromWgs84(x, y, datum));
            return there.map((point) => [point, m.toWgs84(...point, datum)]);
        }""",
        [points, datum],
    )
    reference = prcoords.wgs_gcj if datum == "gcj02" else prcoords.wgs_bd
    for (lon, lat), (there, back) in zip(points, shifted, strict=True):
        lat_ref, lon_ref = reference((lat, lon))
        assert there == pytest.approx([lon_ref, lat_ref], abs=2e-7)
        assert back == pytest.approx([lon, lat], abs=1e-7)
