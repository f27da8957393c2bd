"""Bad input over HTTP against a running server: a clear answer in the reader's language that names what is wrong,
nothing written, nothing typed lost, and never a failure of the server.

The same tables in English and Chinese, through the API and through the pages.
"""

from __future__ import annotations

import html
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from live import Answer, Live, Visitor, picture

from xiuhua.casework import procedure_commands

HAN = re.compile(r"[\u3400-\u9fff]")
WRITTEN = ("case", "event", "payload", "personal", "attachment", "idempotency", "party")
GOOD: dict[str, Any] = {"source": "media", "description": "井盖缺失", "address": "模拟大道9号"}
SHELL = picture(62) + b"<?php system('id'); ?><script>alert(1)</script>"
LANGUAGES = pytest.mark.parametrize("language", ["en", "zh-hans"])


@pytest.fixture(scope="module")
def shell(live: Live) -> str:
    """Three cases to point at, and the digest of a whole picture with a program behind it, uploaded and waiting."""
    hotline = live.program("hotline")
    for _number in range(3):
        made = hotline.post("/cases", {"answers": GOOD})
        assert made.status == 201, made.body
    sent = hotline.upload(SHELL, "shell.php.jpg")
    assert sent.status == 201, sent.body
    return str(sent.json["sha256"])


@pytest.fixture(autouse=True)
def nothing_is_written(live: Live, shell: str) -> Iterator[None]:
    """What is refused leaves no row and no file, and no failure in the server's log."""
    before, files, said = _state(live), _files(live), live.said()
    yield
    assert _state(live) == before
    assert _files(live) == files
    assert "Internal Server Error" not in live.said()[len(said) :]


def _state(live: Live) -> dict[str, int]:
    return live.counts(*(f"casework_{table}" for table in WRITTEN))


def _files(live: Live) -> set[str]:
    found = (path for name in ("files", "thumbnails") for path in (live.folder / name).rglob("*"))
    return {str(path) for path in found if path.is_file() and path.name != ".lock"}


def refused(got: Answer, language: str, *statuses: int, field: str | None = None) -> dict[str, Any]:
    """A problem document in the language; the one wrong field is named when ``field`` says which."""
    assert got.status in statuses, (got.status, got.body.decode(errors="replace")[:500])
    assert got.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = got.json
    assert problem["status"] == got.status and problem["type"] == f"urn:xiuhua:problem:{problem['code']}"
    said = [problem["title"], problem["detail"], *(one["message"] for one in problem["errors"])]
    for sentence in said:
        assert sentence and bool(HAN.search(_without_names(sentence))) is (language != "en"), said
    if field is not None:
        assert field in [one["field"] for one in problem["errors"]], problem
    return problem


def _without_names(sentence: str) -> str:
    """Choices are listed as the procedure titles them; what was typed is quoted."""
    return re.sub(r"“[^”]*”", "", sentence)


# -- the API: bodies ----------------------------------------------------------------------------------------------

BODIES: list[tuple[bytes, int]] = [
    (b"{", 400),
    (b"", 422),
    (b"null", 422),
    (b"[]", 422),
    (b'"words"', 422),
    (b"\xff\xfe{}", 400),
    (b'{"answers": {"description": "\xff"}}', 400),
    (b'{"answers": {"description": NaN}}', 400),
    (b'{"answers": {"description": Infinity}}', 400),
    (b'{"answers": {"a": 1e999}}', 400),
    (b'{"answers": {"a": ' + b"9" * 5000 + b"}}", 400),
    (b'{"answers": {"a": "\\u0000"}}', 400),
    (b'{"answers": {"a": "\\ud800"}}', 400),
    (b'{"answers": {}, "answers": {}}', 400),
    (b'{"answers": ' + b'{"a":' * 60 + b"1" + b"}" * 61, 400),
    (b"[" * 100_000, 400),
    (b'{"answers": "words"}', 422),
    (b'{"answers": [1, 2]}', 422),
    (b'{"answers": {}, "colour": "red"}', 422),
    (b'{"answers": {}, "procedure": 7}', 422),
    (b'{"answers": {}, "platform": {"a": 1}}', 422),
    (b'{"answers": {}, "procedure": "no_such"}', 422),
    (b'{"answers": {}, "platform": "999999"}', 422),
    (b'{"answers": {"description": "' + "长".encode() * 2_000_000 + b'"}}', 413),
]


@LANGUAGES
def test_bodies_that_cannot_be_read(live: Live, language: str) -> None:
    hotline = live.program("hotline", language)
    for body, status in BODIES:
        refused(hotline("POST", "/cases", body, **{"Content-Type": "application/json"}), language, status)


@LANGUAGES
def test_other_kinds_of_content(live: Live, language: str) -> None:
    hotline = live.program("hotline", language)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data"):
        refused(hotline("POST", "/cases", b"a=1", **{"Content-Type": kind}), language, 415)


# -- the API: answers ---------------------------------------------------------------------------------------------

TAIL = "·" * 5000
ANSWERS: list[tuple[str, Any]] = [
    ("source", "no_such_source"),
    ("source", 7),
    ("source", ["media"]),
    ("urgency", {"code": "urgent"}),
    ("description", "长" * 1001),
    ("description", 10**400),
    ("description", True),
    ("description", ["井盖"]),
    ("description", "井\u0007盖"),
    ("address", "长" * 201),
    ("address", {"zh": "模拟大道"}),
    ("category", "2026:component:99999"),
    ("category", "no such category"),
    ("category", 2**63),
    ("category", -1),
    ("category", 1.5),
    ("component", "00000000000000000"),
    ("component", "' OR 1=1 --"),
    ("position", "114.32,29.84"),
    ("position", [114.32, 29.84]),
    ("position", {"lon": "x", "lat": "y"}),
    ("position", {"lon": 114.32}),
    ("position", {"lon": "NaN", "lat": "NaN"}),
    ("position", {"lon": 1e300, "lat": 29.84}),
    ("position", {"lon": 500, "lat": 29.84}),
    ("position", {"lon": 114.32, "lat": 29.84, "datum": "mars"}),
    ("position", {"lon": 114.32, "lat": 29.84, "height": 3}),
    ("position", {"lon": 114.32, "lat": 29.84, "accuracy_m": -1}),
    ("position", {"lon": 29.84, "lat": 114.32}),
    ("position", {"lon": 29.84, "lat": 81.32}),
    ("position", {"lon": 116.39, "lat": 39.9}),
    ("position", {"lon": 0, "lat": 0}),
    ("position", {"lon_e7": 10**15, "lat_e7": 1}),
    ("photos", "0" * 64),
    ("photos", ["not a digest"]),
    ("photos", [1, 2]),
    ("photos", {"a": 1}),
    ("reporter_name", "张3"),
    ("reporter_name", "长" * 61),
    ("reporter_phone", "12"),
    ("reporter_phone", "1390000000１１"),
    ("reporter_phone", 1e20),
    ("no_such_field", "x"),
    (f"x{TAIL}", "x"),
]


@LANGUAGES
def test_wrong_answers_name_their_field(live: Live, language: str) -> None:
    hotline = live.program("hotline", language)
    for field, value in ANSWERS:
        got = hotline.post("/cases", {"answers": {**GOOD, field: value}})
        problem = refused(got, language, 422, field=field[:60])
        assert [one["field"] for one in problem["errors"]] == [field[:60]], "only what is wrong is named"


@LANGUAGES
def test_a_place_outside_the_city_and_a_swapped_one_are_told_apart(live: Live, language: str) -> None:
    hotline = live.program("hotline", language)
    said = []
    for lon, lat in ((116.39, 39.9), (29.84, 114.32 - 90), (29.84, 114.32)):
        position = {"lon": lon, "lat": lat}
        said.append(hotline.post("/cases", {"answers": {**GOOD, "position": position}}).json["errors"][0]["message"])
    assert ("outside the city" if language == "en" else "不在本市范围") in said[0]
    assert said[1] == said[0]


@LANGUAGES
def test_filing_outside_the_city_is_refused(live: Live, language: str) -> None:
    hotline = live.program("hotline", language)
    number = hotline.get("/cases?open=true&limit=1").json["items"][0]["number"]
    answers = {"condition": 1, "position": {"lon": 116.39, "lat": 39.9}}
    refused(hotline.post(f"/cases/{number}/actions/file", {"answers": answers}), language, 422, field="position")


@LANGUAGES
def test_wrong_addresses_filters_cursors_and_keys(live: Live, language: str) -> None:
    chief = live.program("chief", language)
    for query, status in [
        ("colour=red", 422), ("limit=0", 422), ("limit=-1", 422), ("limit=" + "9" * 40, 422), ("limit=ten", 422),
        ("sort=title", 422), ("state=%00", 400), ("q=%00", 400), ("q=" + quote("长" * 101), 422), ("open=maybe", 422),
        ("category=" + "9" * 40, 422), ("category=a:b:c", 422), ("category=%C2%B2", 422), ("updated_after=soon", 422),
        ("cursor=rubbish", 400), ("cursor=%E6%BC%A2", 400), ("cursor=" + "x" * 500, 422), ("holder=you", 422),
        ("limit=ten&limit=5&colour=red", 422), ("q=%FF&colour=red", 422),
    ]:  # fmt: skip
        refused(chief.get(f"/cases?{query}"), language, status)
    for path in (
        "/cases/x",
        "/cases/" + "9" * 60,
        "/cases/%00",
        "/cases/%ED%A0%80",
        "/cases/..%2F..%2Fetc",
        "/no/such",
    ):
        refused(chief.get(path), language, 404, 422)
    for key in ("a b", "x" * 121):
        refused(chief.post("/cases", {"answers": GOOD}, key), language, 422)
    refused(chief("DELETE", "/cases"), language, 405)
    refused(chief.post("/cases/1/actions/DROP", {"answers": {}}), language, 404, 422)


def test_a_cursor_of_another_list_is_refused(live: Live) -> None:
    chief = live.program("chief")
    cursor = chief.get("/cases?limit=1").json["next"]
    assert cursor, "there are two cases to page through"
    for query in (f"sort=oldest&cursor={cursor}", f"open=true&cursor={cursor}", f"cursor={cursor[:-4]}AAAA"):
        problem = refused(chief.get(f"/cases?limit=1&{query}"), "en", 400, 422)
        assert problem["code"] in ("cursor", "invalid")


@LANGUAGES
def test_points_to_locate(live: Live, language: str) -> None:
    chief = live.program("chief", language)
    for query in (
        "lon=x&lat=1",
        "lon=NaN&lat=1",
        "lon=500&lat=1",
        "lon=114",
        "lon=114&lat=29&datum=mars",
        "lon=1e999&lat=1",
    ):
        refused(chief.get(f"/locate?{query}"), language, 422)
    for points in ("x", [["a", "b"]], [[1]], [[1, 2]] * 200_000, {"lon": 1}):
        refused(chief.post("/locate", {"points": points}), language, 413, 422)


# -- files --------------------------------------------------------------------------------------------------------


def _png(width: int, height: int) -> bytes:
    """A picture that says to be so large: a few bytes that unpack to gigabytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000) * 100, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


FILES: list[tuple[str, bytes, int, str, str]] = [
    ("empty", b"", 422, "empty", "空"),
    ("web page", b"<!DOCTYPE html><script>alert(1)</script>", 415, "web page", "网页"),
    ("drawing", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', 415, "SVG", "SVG"),
    ("php", b"<?php system($_GET['c']); ?>", 415, "JPEG", "JPEG"),
    ("php after a head", b"\xff\xd8\xff\xe0<?php system($_GET['c']); ?>" + bytes(400), 422, "damaged", "损坏"),
    ("gif and script", b"GIF89a/*" + bytes(40) + b"*/=1;alert(1)", 415, "JPEG", "JPEG"),
    ("program", b"MZ" + bytes(300), 415, "program", "程序"),
    ("archive", b"PK\x03\x04" + bytes(300), 415, "JPEG", "JPEG"),
    ("cut off", picture(61)[:-200], 422, "damaged", "损坏"),
    ("cut off early", picture(61)[:120], 422, "damaged", "损坏"),
    ("bomb", _png(60_000, 60_000), 422, "million", "像素"),
    ("bomb of lines", _png(29_000, 29_000), 422, "million", "像素"),
    ("cut off pdf", b"%PDF-1.7 nothing", 422, "PDF", "PDF"),
    ("oversize", picture(61) + bytes(2**20), 413, "MB", "MB"),
    ("much too large", bytes(3 * 2**20), 413, "large", "过大"),
]


@LANGUAGES
def test_disguised_broken_and_huge_files(live: Live, language: str) -> None:
    hotline, visitor = live.program("hotline", language), live.visitor("hotline", language)
    for name, data, status, en, zh in FILES:
        words = en if language == "en" else zh
        problem = refused(hotline.upload(data), language, status)
        assert words in problem["detail"], (name, problem)
        got = visitor.upload(data)
        assert 400 <= got.status < 500, (name, got.status, got.body[:200])
        assert words in got.json["error"], (name, got.json)


def test_a_picture_with_a_program_behind_it_is_only_ever_a_picture(live: Live, shell: str) -> None:
    """It is kept as it came, because it may be evidence; but nothing serves it as anything else."""
    hotline = live.program("hotline")
    got = hotline.get(f"/attachments/{shell}")
    assert (got.status, got.body) == (200, SHELL)
    assert got.headers["content-type"] == "image/jpeg" and got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]
    assert got.headers["content-disposition"].rstrip('"').endswith(".jpg")
    thumb = hotline.get(f"/attachments/{shell}/thumbnail/320")
    assert thumb.headers["content-type"] == "image/webp" and b"script" not in thumb.body and b"php" not in thumb.body


# -- the pages ----------------------------------------------------------------------------------------------------


def page_says(got: Answer, language: str, *statuses: int) -> str:
    """The page as text: an answer in the language, with a heading and no failure."""
    assert got.status in statuses, (got.status, got.body.decode(errors="replace")[:300])
    assert got.headers["content-type"].startswith("text/html")
    text = got.body.decode()
    assert f'lang="{"en" if language == "en" else "zh"}' in text
    return html.unescape(text)


FORMS: list[tuple[dict[str, Any], str]] = [
    ({"source": "no_such_source"}, "source"),
    ({"description": ""}, "description"),
    ({"description": "长" * 1001}, "description"),
    ({"description": "井\0盖"}, "description"),
    ({"address": "长" * 201}, "address"),
    ({"category": "999999999"}, "category"),
    ({"category": "²"}, "category"),
    ({"category": "9" * 60}, "category"),
    ({"component": "00000000000000000"}, "component"),
    ({"position.lon": "x", "position.lat": "29.84"}, "position"),
    ({"position.lon": "nan", "position.lat": "29.84"}, "position"),
    ({"position.lon": "29.84", "position.lat": "114.32"}, "position"),
    ({"position.lon": "116.39", "position.lat": "39.9"}, "position"),
    ({"position.lon": "114.32", "position.lat": "29.84", "position.datum": "mars"}, "position"),
    ({"photos": "f" * 64}, "photos"),
    ({"reporter_phone": "12"}, "reporter_phone"),
    ({"reporter_name": "张3"}, "reporter_name"),
    ({"urgency": "'; DROP TABLE casework_case; --"}, "urgency"),
]


@LANGUAGES
def test_a_refused_form_names_the_field_and_keeps_the_rest(live: Live, language: str) -> None:
    visitor = live.visitor("hotline", language)
    kept = {"source": "media", "description": "只写了这一句甲乙丙", "address": "模拟大道之外"}
    for wrong, field in FORMS:
        sent = {**kept, "urgency": "ordinary", "key": "bad-form", **wrong}
        text = page_says(visitor.post("/report/city_case/report/", sent), language, 422)
        assert f'href="#q-{field}"' in text, (wrong, "the summary leads to the field")
        assert f'id="q-{field}-error"' in text, wrong
        for name, value in kept.items():
            if name not in wrong and name != "source":
                assert value in text, (wrong, name)
        typed = next(iter(wrong.values()))
        if field in ("description", "address", "position", "reporter_phone", "reporter_name") and "\0" not in typed:
            assert typed in text, (wrong, "what was wrong can be mended, not typed again")


@LANGUAGES
def test_absurd_requests_to_pages(live: Live, language: str) -> None:
    visitor = live.visitor("chief", language)
    number = live.program("chief").get("/cases?open=true&limit=1").json["items"][0]["number"]
    for path, statuses in [
        ("/cases/?q=%00", (400,)), ("/cases/?state=%00", (400,)), ("/cases/?q=%FF%FE", (200,)),
        ("/cases/?unit=%C2%B2&category=%C2%B2&county=%C2%B2", (200,)), ("/cases/?unit=" + "9" * 60, (200,)),
        ("/cases/?cursor=rubbish", (200, 400)), ("/cases/?from=2026-13-45&to=x", (200,)), ("/cases/?sort=title", (200,)),
        ("/cases/?q=" + quote("长" * 3000), (200,)), ("/cases/?state=a&state=b&q=1&q=2", (200,)),
        ("/?show=x&cursor=%E6%BC%A2", (200, 400)), ("/map/?unit=x&grid=%27", (200,)), ("/cases/%00/", (400, 404)),
        (f"/cases/{number}/?event=%C2%B2&seq=x", (200,)), (f"/cases/{number}/do/no_such/", (404,)),
        (f"/cases/{number}/do/file%00/", (400, 404)), ("/cases/..%2F..%2Fetc/passwd", (404,)),
        (f"/cases/{number}/personal/no_such/", (404, 403)), ("/procedures/no_such/", (404,)),
        ("/report/no_such/report/", (404,)), ("/report/city_case/report/?case=%C2%B2", (200,)),
        ("/files/" + "0" * 64, (404,)), ("/files/" + "0" * 64 + "/320", (404,)),
        ("/lookup/category/?q=%00", (400,)), ("/no/such/page", (404,)),
    ]:  # fmt: skip
        page_says(visitor.get(path), language, *statuses)


@LANGUAGES
def test_absurd_forms_of_actions(live: Live, language: str) -> None:
    visitor = live.visitor("hotline", language)
    rows = live.program("hotline").get("/cases?open=true&state=reported&limit=1").json["items"]
    path = f"/cases/{rows[0]['number']}/do/file/"
    for fields in (
        [("condition", "²"), ("seq", "²"), ("key", "\0")],
        [("condition", "9" * 60), ("seq", "9" * 60), ("key", "长" * 100)],
        [("condition", "1"), ("condition", "2"), ("seq", "-1"), ("position.lon", "\0"), ("position.lat", "1e999")],
        [("condition", "\0"), ("urgency", "\0")],
        [],
    ):
        text = page_says(visitor.post(path, fields), language, 422)
        assert 'id="q-condition"' in text
    for body in (b"%", b"a=%FF&b=%00", b"=&=&=", bytes(200), b"x=" + b"y" * (6 * 2**20)):
        got = visitor.raw("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"})
        page_says(got, language, 400, 403, 413)
    many = [(f"field{i}", "x") for i in range(1500)]
    page_says(visitor.post(path, many), language, 400, 413, 422)


@LANGUAGES
def test_other_forms_keep_what_was_typed(live: Live, language: str) -> None:
    leader, hotline = live.visitor("leader", language), live.visitor("hotline", language)
    order = {"document_number": "模拟停表〔2026〕1号", "signatory": "", "starts_at": "soon", "reason": "台风\0"}
    text = page_says(leader.post("/clock-orders/", order), language, 422)
    assert "模拟停表〔2026〕1号" in text
    number = live.program("hotline").get("/cases?open=true&limit=1").json["items"][0]["number"]
    page_says(hotline.post(f"/cases/{number}/personal/reporter_phone/", {"reason": "\0"}), language, 404, 422)
    page_says(Visitor(live.host, live.port, language).get("/login"), language, 200)
    for username in ("\0", "长" * 400, "hotline\0"):
        stranger = Visitor(live.host, live.port, language)
        got = stranger.log_in(username, "\0")
        page_says(got, language, 401, 422)


# -- procedures ---------------------------------------------------------------------------------------------------

OVERRIDE = """override: city_case
for: test_city
clocks:
  intake: {limit: {ordinary: {value: 20, unit: minute}}, source: "a document", sample: false}
"""
PROCEDURES: list[tuple[bytes, int, str, str]] = [
    (b"override: city_case\nfor: [one\n", 3, "", ""),
    (b"override: city_case\nfor: x\n\tclocks: {}\n", 3, "", ""),
    (b"\xff\xfe\x00", 1, "UTF-8", "UTF-8"),
    (b"", 1, "", ""),
    (b"- a\n- b\n", 1, "", ""),
    (b"override: no_such\nfor: x\n", 1, "no_such", "no_such"),
    (b"override: city_case\n", 1, "'for' is required", "缺少 for"),
    (OVERRIDE.replace("sample: false", "sample: perhaps").encode(), 4, "true or false", "true 或 false"),
    (OVERRIDE.encode() + b"colour: red\n", 5, "colour", "colour"),
    (OVERRIDE.encode() + b"actions:\n  file: {guards: []}\n", 6, "lawful", "依法"),
    (OVERRIDE.encode() + b"actions:\n  sign: {by: [emperor]}\n", 6, "emperor", "emperor"),
    (b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", 1, "", ""),
    (b"procedure: city_case\ntitle: {zh: x, en: x}\n", 1, "", ""),
]


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_a_broken_procedure_file_is_refused_at_its_line(
    tmp_path: Path, language: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", f"{language}.UTF-8")
    for place, (text, line, en, zh) in enumerate(PROCEDURES):
        path = tmp_path / f"broken{place}.yaml"
        path.write_bytes(text)
        assert procedure_commands.check([str(path)]) == 1, text
        said = capsys.readouterr().err
        first = next((one for one in said.splitlines() if one.startswith(str(path))), "")
        assert first.startswith(f"{path}:{line}:"), (text, said)
        assert (en if language == "en" else zh) in said, (text, said)
        assert bool(HAN.search(said)) is (language != "en"), said


def test_files_of_a_city_are_published_whole_or_not_at_all(live: Live, tmp_path: Path) -> None:
    good, broken = tmp_path / "own.yaml", tmp_path / "broken.yaml"
    good.write_text(OVERRIDE)
    broken.write_text(OVERRIDE.replace("test_city", "other_city") + "colour: red\n")
    before = live.counts("casework_procedureversion")
    refused_ = live.command("procedure", "publish", str(good), str(broken), LC_ALL="C.UTF-8")
    assert refused_.returncode == 1 and f"{broken}:5:1: colour" in refused_.stderr
    assert live.counts("casework_procedureversion") == before
    missing = live.command("procedure", "publish", str(tmp_path / "nothing.yaml"), LC_ALL="C.UTF-8")
    assert missing.returncode == 1 and "cannot be read" in missing.stderr
    assert live.command("procedure", "publish", str(good)).returncode == 0
    assert live.counts("casework_procedureversion")["casework_procedureversion"] == (
        before["casework_procedureversion"] + 1
    )
