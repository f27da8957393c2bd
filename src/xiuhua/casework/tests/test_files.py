"""Files: what is taken and refused, where it lies, who gets it, and what is cleared away."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import RequestFactory
from django.utils import translation
from PIL import ExifTags, Image, TiffImagePlugin

from xiuhua.casework import files, moments, thumbnails
from xiuhua.casework.files import FileRefused
from xiuhua.casework.models import Attachment
from xiuhua.city.access import SYSTEM, Actor

NOW = datetime(2026, 5, 6, 1, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


def picture(kind: str = "JPEG", size: tuple[int, int] = (60, 40), **save: Any) -> bytes:
    image = Image.new("RGB", size, (200, 30, 30))
    image.paste((30, 30, 200), (0, 0, size[0] // 2, size[1]))
    out = io.BytesIO()
    image.save(out, kind, **save)
    return out.getvalue()


def exif(orientation: int = 1, gps: tuple[float, float] | None = None, taken: str = "", offset: str = "") -> Image.Exif:
    found = Image.Exif()
    found[ExifTags.Base.Orientation] = orientation
    found[ExifTags.Base.Make] = "Spy camera 4711"
    camera = found.get_ifd(ExifTags.IFD.Exif)
    if taken:
        camera[ExifTags.Base.DateTimeOriginal] = taken
    if offset:
        camera[ExifTags.Base.OffsetTimeOriginal] = offset
    if gps:
        place = found.get_ifd(ExifTags.IFD.GPSInfo)
        for value, letter, tag in ((gps[1], "NS", 1), (gps[0], "EW", 3)):
            place[tag] = letter[value < 0]
            rest = abs(value)
            place[tag + 1] = tuple(
                TiffImagePlugin.IFDRational(round(part * 10**6), 10**6)
                for part in (int(rest), int(rest * 60 % 60), rest * 3600 % 60)
            )
    return found


def take(data: bytes, name: str = "a.jpg", actor: Actor = SYSTEM) -> Attachment:
    return files.upload(actor, io.BytesIO(data), name)


def kept(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.name != ".lock")


@pytest.mark.django_db
class TestTaking:
    @pytest.mark.parametrize(
        ("kind", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")]
    )
    def test_bytes_lie_under_their_digest(self, store: Path, kind: str, media_type: str) -> None:
        data = picture(kind)
        row = take(data, "现场.照片.exe")
        digest = hashlib.sha256(data).hexdigest()
        assert (row.sha256, row.media_type, row.size) == (digest, media_type, len(data))
        assert (row.width, row.height) == (60, 40)
        assert (store / "files" / digest[:2] / digest[2:4] / digest).read_bytes() == data
        assert row.name == f"现场.照片{files.EXTENSIONS[media_type]}"
        assert not list((store / "files/part").iterdir())

    def test_a_pdf_is_taken_without_thumbnails(self, store: Path) -> None:
        row = take(b"%PDF-1.7\n1 0 obj\nendobj\ntrailer\n%%EOF\n", "report")
        assert (row.media_type, row.width, row.name) == ("application/pdf", None, "report.pdf")
        with pytest.raises(FileNotFoundError):
            files.serve(row, size=320)

    def test_the_same_upload_again_is_the_same_row_and_file(self, store: Path) -> None:
        first, second = take(picture(), "a.jpg"), take(picture(), "b.jpg")
        assert first.pk == second.pk
        assert len(kept(store / "files")) == 1

    def test_time_and_place_of_the_camera(self) -> None:
        row = take(picture(exif=exif(gps=(114.3223456, 29.8412345), taken="2026:05:01 09:30:15")))
        assert row.taken_at == datetime(2026, 5, 1, 1, 30, 15, tzinfo=UTC)  # local time of the city
        assert abs(row.lon_e7 - 1143223456) <= 1 and abs(row.lat_e7 - 298412345) <= 1
        row = take(picture(exif=exif(gps=(-70.5, -33.25), taken="2026:05:01 09:30:15", offset="+00:00")))
        assert row.taken_at == datetime(2026, 5, 1, 9, 30, 15, tzinfo=UTC)
        assert (row.lon_e7, row.lat_e7) == (-705000000, -332500000)

    @pytest.mark.parametrize("taken", ["0000:00:00 00:00:00", "rubbish", "2199:01:01 00:00:00", "\0" * 19])
    def test_rubbish_of_the_camera_is_left_out(self, taken: str) -> None:
        row = take(picture(exif=exif(gps=(0.0, 0.0), taken=taken)))
        assert (row.taken_at, row.lon_e7, row.lat_e7) == (None, None, None)

    def test_thumbnails_are_upright_small_and_bare(self, store: Path) -> None:
        data = picture(size=(2000, 1000), exif=exif(6, (114.3, 29.8), "2026:05:01 09:30:15"))
        row = take(data)
        assert (row.width, row.height) == (1000, 2000)  # as shown
        for size in thumbnails.SIZES:
            made = files.thumbnail_of(row, size).read_bytes()
            with Image.open(io.BytesIO(made)) as image:
                assert image.format == "WEBP" and image.size == (size // 2, size)
                assert not image.getexif()
                top, bottom = image.convert("RGB").getpixel((5, 5)), image.convert("RGB").getpixel((5, size - 5))
                assert top[2] > top[0] and bottom[0] > bottom[2]  # orientation 6: the left side is on top
            assert b"Spy camera" not in made

    def test_what_is_appended_to_a_picture_is_not_in_its_thumbnail(self) -> None:
        row = take(picture() + b"<script>alert(1)</script>")
        assert b"script" not in files.thumbnail_of(row, 320).read_bytes()

    def test_a_small_picture_is_not_enlarged_and_a_lost_thumbnail_comes_back(self) -> None:
        row = take(picture("PNG"))
        path = files.thumbnail_of(row, 1280)
        path.unlink()
        with Image.open(files.thumbnail_of(row, 1280)) as image:
            assert image.size == (60, 40)


def png(width: int, height: int) -> bytes:
    """A tiny file that says it is a very large picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


@pytest.mark.django_db
class TestRefusing:
    @pytest.mark.parametrize(
        ("data", "code", "en", "zh"),
        [
            (b"", "empty", "empty", "空"),
            (
                b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
                "unsupported",
                "SVG",
                "SVG",
            ),
            (b"  <!DOCTYPE html><script>alert(1)</script>", "unsupported", "web page", "网页"),
            (b"MZ\x90\0" + b"\0" * 200, "unsupported", "program", "程序"),
            (b"PK\x03\x04" + b"\0" * 100, "unsupported", "JPEG, PNG, WebP", "JPEG"),
            (b"GIF89a" + b"\0" * 40, "unsupported", "image/gif", "image/gif"),
            (b"\0\0\0\x18ftypheic" + b"\0" * 60, "unsupported", "HEIC", "HEIC"),
            (b"just words", "unsupported", "Accepted are", "只接受"),
            (b"\xff\xd8\xff\xe0 not a picture", "damaged", "damaged", "损坏"),
            (picture()[:-200], "damaged", "damaged", "损坏"),
            (picture("PNG")[:60], "damaged", "damaged", "损坏"),
            (b"%PDF-1.7 cut off", "damaged", "PDF", "PDF"),
            (png(60_000, 60_000), "too_many_pixels", "million", "像素"),
            (png(31_000, 10), "too_many_pixels", "million", "像素"),
        ],
    )
    def test_disguised_broken_and_huge_files(self, store: Path, data: bytes, code: str, en: str, zh: str) -> None:
        for language, word in (("en", en), ("zh-hans", zh)):
            with translation.override(language), pytest.raises(FileRefused) as refusal:
                take(data, "photo.jpg")
            assert refusal.value.code == code
            assert word in str(refusal.value)
        assert not Attachment.objects.exists()
        assert kept(store) == []

    def test_the_limit_stops_the_stream(self, settings: Any, store: Path) -> None:
        settings.UPLOAD_MAX_BYTES = 3000
        seen = 0

        def endless() -> Iterator[bytes]:
            nonlocal seen
            while True:
                seen += 1
                yield picture()[:1000]

        with pytest.raises(FileRefused) as refusal:
            files.upload(SYSTEM, endless(), "a.jpg")
        assert refusal.value.code == "too_large" and seen == 4
        assert kept(store) == []

    @pytest.mark.parametrize(
        ("name", "clean"),
        [
            ("../../etc/passwd", "passwd.jpg"),
            ("C:\\photos\\a.png", "a.jpg"),
            ("a\0b\r\n\u202egpj.exe", "abgpj.jpg"),
            ("", "file.jpg"),
            ("...", "file.jpg"),
            ("\ud800x.jpg", "x.jpg"),
            ("长" * 300, "长" * 180 + ".jpg"),
        ],
    )
    def test_names_are_harmless(self, name: str, clean: str) -> None:
        assert files.clean_name(name, "image/jpeg") == clean

    @pytest.mark.parametrize("digest", ["", "../../x", "G" * 64, "a" * 63, "A" * 64])
    def test_only_digests_become_paths(self, digest: str) -> None:
        with pytest.raises(ValueError, match="64 lower-case"):
            files.path_of(digest)
        assert files.find(SYSTEM, digest) is None


@pytest.mark.django_db
class TestServing:
    def test_a_picture_is_shown_and_nothing_in_it_can_run(self) -> None:
        row = take(picture(), "现场.jpg")
        answer = files.open_for(SYSTEM, row)
        assert answer["Content-Type"] == "image/jpeg"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Disposition"].startswith("inline")
        assert "private" in answer["Cache-Control"] and "sandbox" in answer["Content-Security-Policy"]
        assert b"".join(answer.streaming_content) == picture()
        answer.close()

    def test_a_pdf_is_downloaded(self) -> None:
        answer = files.open_for(SYSTEM, take(b"%PDF-1.7\n%%EOF\n", "a.html"))
        assert answer["Content-Disposition"] == 'attachment; filename="a.pdf"'
        answer.close()

    def test_what_the_browser_has_is_not_sent_again(self) -> None:
        row = take(picture())
        tag = {"If-None-Match": f'"{row.sha256}-320"'}
        request = RequestFactory().get("/", headers=tag)
        assert files.open_for(SYSTEM, row, size=320, request=request).status_code == 304
        answer = files.open_for(SYSTEM, row, request=request)
        assert answer.status_code == 200
        answer.close()

    def test_before_a_case_takes_it_only_the_sender_sees_it(self) -> None:
        row = take(picture())
        stranger = Actor("user", 999, "stranger", "", None)
        assert files.find(stranger, row.sha256) is None
        assert files.find(SYSTEM, row.sha256) == row
        with pytest.raises(PermissionDenied):
            files.open_for(stranger, row)


@pytest.mark.django_db
class TestClearing:
    def age(self, days: float) -> None:
        for path in files.root().rglob("*"):
            if path.is_file():
                at = (NOW - timedelta(days=days)).timestamp()
                os.utime(path, (at, at))

    def test_a_forgotten_upload_goes_after_a_day(self, store: Path) -> None:
        with moments.clock_set(NOW - timedelta(hours=25)):
            row = take(picture())
        self.age(25 / 24)
        with moments.clock_set(NOW - timedelta(hours=2)):
            assert files.collect_garbage() == files.Collected()
        with moments.clock_set(NOW):
            assert files.collect_garbage() == files.Collected(1, 1, row.size)
        assert kept(store) == [] and not Attachment.objects.exists()

    def test_bytes_that_a_row_names_stay(self, store: Path) -> None:
        with moments.clock_set(NOW):
            row = take(picture())
            self.age(30)
            (files.root() / "part" / "left-over").write_bytes(b"x")
            self.age(30)
            assert files.collect_garbage() == files.Collected()
        assert files.path_of(row.sha256).exists()
        assert not (files.root() / "part" / "left-over").exists()

    def test_bytes_sent_again_are_young_again(self) -> None:
        with moments.clock_set(NOW):
            row = take(picture())
            self.age(30)
            os.utime(files.path_of(row.sha256))
            Attachment.objects.all().delete()
            assert files.collect_garbage().files == 0

    def test_erasing_leaves_nothing_unless_another_row_needs_it(self, store: Path) -> None:
        first = take(picture())
        Attachment.objects.create(sha256=first.sha256, media_type="image/jpeg", size=1, uploaded_at=NOW)
        assert files.erase([first]) == 1
        assert files.path_of(first.sha256).exists()
        assert files.erase(Attachment.objects.all()) == 1
        assert kept(store) == []
