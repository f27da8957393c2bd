"""Pictures: what a file really is, whether it decodes, when and where it was taken, and its thumbnails.

The type is told from the bytes, never from the name. A thumbnail is made anew from decoded pixels, turned
upright, so nothing hidden in the original (position, camera, appended data) is in it. EXIF 2.32 (CIPA DC-008).
"""

from __future__ import annotations

import math
import os
import threading
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import puremagic
from django.utils.translation import gettext as _
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

LOCAL = ZoneInfo("Asia/Shanghai")

#: Longest side of the thumbnails, pixels.
SIZES = (320, 1280)
THUMBNAIL_TYPE = "image/webp"
#: Media types that are kept, with the name Pillow has for them and the extension that a download gets.
PICTURES = {"image/jpeg": ("JPEG", ".jpg"), "image/png": ("PNG", ".png"), "image/webp": ("WEBP", ".webp")}
PDF = "application/pdf"
EXTENSIONS = {**{kind: extension for kind, (_name, extension) in PICTURES.items()}, PDF: ".pdf"}

#: A baseline JPEG is decoded at a fraction of its size, so a 108-megapixel phone picture costs little memory; the
#: others are held whole: 3 or 4 bytes a pixel, a progressive JPEG 6.
MOST_PIXELS_BASELINE = 120_000_000
MOST_PIXELS = 50_000_000
LONGEST_SIDE = 30_000
_HEAD = 4096
#: So many pictures are decoded at a time in one process; the others wait. Bounds memory, not throughput.
_decoding = threading.BoundedSemaphore(2)

Image.MAX_IMAGE_PIXELS = MOST_PIXELS_BASELINE


class FileRefused(ValueError):
    """A file that is not taken. ``code`` is stable: empty, too_large, too_many_pixels, unsupported, damaged."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Content:
    """What a file is. Width and height in pixels as shown (upright); position in 1e-7 degree, WGS 84."""

    media_type: str
    width: int | None = None
    height: int | None = None
    taken_at: datetime | None = None
    lon_e7: int | None = None
    lat_e7: int | None = None


def inspect(path: Path, thumbnails: dict[int, Path] | None = None) -> Content:
    """Tell what a file is, decode it to see that it is whole, and write the wanted thumbnails (size -> path).

    Raises `FileRefused` with a sentence for the user.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(max(0, path.stat().st_size - 2048))
        tail = file.read()
    media_type = sniff(head)
    if media_type == PDF:
        if b"%%EOF" not in tail:
            raise FileRefused("damaged", _("The PDF file is not complete. Please send it again."))
        return Content(PDF)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=[PICTURES[media_type][0]]) as image:
                _bound(image, media_type)
                exif, (width, height) = _exif(image), image.size
                with _decoding:
                    upright = _decode(image)
                    for size, target in (thumbnails or {}).items():
                        _write(upright, size, target)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, MemoryError, ArithmeticError) as error:
        if isinstance(error, FileRefused):
            raise
        raise FileRefused(
            "damaged", _("The picture is damaged or not complete. Please take or send it again.")
        ) from error
    if exif.turned:
        width, height = height, width
    return Content(media_type, width, height, exif.taken_at, exif.lon_e7, exif.lat_e7)


def sniff(head: bytes) -> str:
    """The media type of an accepted file from its first bytes; raises `FileRefused` for all others."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith(b"%PDF-"):
        return PDF
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
        raise FileRefused(
            "unsupported",
            _("Pictures in the HEIC format cannot be shown everywhere. Set the camera to “most compatible” (JPEG)."),
        )
    accepted = _("Accepted are pictures (JPEG, PNG, WebP) and PDF files.")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text[:1024]:
        reason = _("This is an SVG drawing, which can carry programs.")
    elif text.startswith((b"<!doctype html", b"<html", b"<script", b"<body", b"<head")):
        reason = _("This is a web page, not a picture.")
    elif head.startswith((b"MZ", b"\x7fELF", b"#!")):
        reason = _("This is a program, not a picture.")
    else:
        found = _guess(head)
        reason = _("This is a file of the kind “%(kind)s”.") % {"kind": found} if found else ""
    raise FileRefused("unsupported", f"{reason} {accepted}".strip())


def _guess(head: bytes) -> str:
    try:
        return str(puremagic.from_string(head, mime=True))[:60]
    except (puremagic.PureError, ValueError, IndexError):
        return ""


def _bound(image: Image.Image, media_type: str) -> None:
    width, height = image.size
    whole = media_type != "image/jpeg" or bool(image.info.get("progressive") or image.info.get("progression"))
    most = MOST_PIXELS if whole else MOST_PIXELS_BASELINE
    if width * height > most or max(width, height) > LONGEST_SIDE:
        raise _too_many_pixels()
    if min(width, height) < 1:
        raise FileRefused("damaged", _("The picture is damaged or not complete. Please take or send it again."))


def _too_many_pixels() -> FileRefused:
    return FileRefused(
        "too_many_pixels",
        _("The picture has too many pixels; at most %(count)d million are accepted.") % {"count": MOST_PIXELS // 10**6},
    )


def _decode(image: Image.Image) -> Image.Image:
    """All pixels, upright, in a mode that WebP knows; a large JPEG at the next scale above the largest thumbnail."""
    image.draft("RGB", (SIZES[-1], SIZES[-1]))
    image.load()
    upright = ImageOps.exif_transpose(image) or image
    transparent = upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info
    return upright.convert("RGBA" if transparent else "RGB")


def _write(upright: Image.Image, size: int, target: Path) -> None:
    """Shrink (never enlarge) and write aside, then put in place."""
    small = upright.copy()
    small.thumbnail((size, size), Image.Resampling.LANCZOS)
    small.info.clear()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        small.save(part, "WEBP", quality=78, method=4, exif=b"", icc_profile=None, xmp=b"")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


# -- when and where ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Exif:
    turned: bool = False  # width and height change places when shown upright
    taken_at: datetime | None = None
    lon_e7: int | None = None
    lat_e7: int | None = None


def _exif(image: Image.Image) -> _Exif:
    """What the camera wrote. Cameras write rubbish: whatever cannot be read is left out."""
    try:
        exif = image.getexif()
        camera = exif.get_ifd(ExifTags.IFD.Exif)
        gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    except Exception:  # any malformed directory: the pixels are what counts
        return _Exif()
    lon = _degrees(gps.get(ExifTags.GPS.GPSLongitude), gps.get(ExifTags.GPS.GPSLongitudeRef), "W", 180)
    lat = _degrees(gps.get(ExifTags.GPS.GPSLatitude), gps.get(ExifTags.GPS.GPSLatitudeRef), "S", 90)
    known = lon is not None and lat is not None and (lon, lat) != (0, 0)
    return _Exif(
        exif.get(ExifTags.Base.Orientation) in (5, 6, 7, 8),
        _moment(camera.get(ExifTags.Base.DateTimeOriginal), camera.get(ExifTags.Base.OffsetTimeOriginal)),
        lon if known else None,
        lat if known else None,
    )


def _moment(text: Any, offset: Any) -> datetime | None:
    """ "2026:05:01 09:30:00" with its offset, or local time (Asia/Shanghai) without one, in UTC."""
    try:
        at = datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007
        zone = str(offset).strip("\0 ") if offset else ""
        at = datetime.fromisoformat(f"{at.isoformat()}{zone}") if zone else at.replace(tzinfo=LOCAL)
        found = (at if at.tzinfo else at.replace(tzinfo=LOCAL)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if datetime(1990, 1, 1, tzinfo=UTC) < found < datetime.now(UTC) + timedelta(days=2) else None


def _degrees(parts: Any, reference: Any, negative: str, most: int) -> int | None:
    """Degrees, minutes, seconds as whole 1e-7 degrees; None when absent or impossible."""
    try:
        degrees, minutes, seconds = (float(part) for part in parts)
        value = degrees + minutes / 60 + seconds / 3600
        word = reference.decode("ascii") if isinstance(reference, bytes) else str(reference or "")
    except (TypeError, ValueError, ArithmeticError, UnicodeDecodeError):
        return None
    if not math.isfinite(value) or not 0 <= value <= most:
        return None
    return round(-value * 10**7 if word.strip("\0 ").upper().startswith(negative) else value * 10**7)
