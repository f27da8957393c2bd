"""Files of cases: bytes under their digest in a folder, rows that say whose they are, served to whom they concern.

A file is written aside while it is hashed, looked into, synced and put in place as ``files/ab/cd/<sha256>``, and only
then gets its row. The same bytes are kept once, however many rows name them. An upload that no case took is
forgotten after a day (`collect_garbage`).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import FileResponse, HttpRequest, HttpResponseBase, HttpResponseNotModified
from django.utils.translation import gettext as _

from xiuhua.casework import moments, permits, thumbnails
from xiuhua.casework.models import Attachment
from xiuhua.casework.thumbnails import EXTENSIONS, PICTURES, SIZES, Content, FileRefused
from xiuhua.city.access import Actor

__all__ = [
    "Collected", "FileRefused", "collect_garbage", "erase", "find", "may_see", "open_for", "path_of", "serve",
    "thumbnail_of", "upload",
]  # fmt: skip

CHUNK = 1 << 20
#: An upload waits so long for the case that takes it.
PATIENCE = timedelta(days=1)
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection removed: rows of forgotten uploads, files that no row named, bytes freed."""

    rows: int = 0
    files: int = 0
    bytes: int = 0


# -- where things lie ----------------------------------------------------------------------------------------------


def root() -> Path:
    return Path(settings.DATA_DIR) / "files"


def _place(base: Path, digest: str, suffix: str = "") -> Path:
    if not _DIGEST.fullmatch(digest):
        raise ValueError("a file is named by 64 lower-case hexadecimal digits")
    return base / digest[:2] / digest[2:4] / f"{digest}{suffix}"


def path_of(digest: str) -> Path:
    """Where the bytes of a digest lie, whether they are there or not."""
    return _place(root(), digest)


def thumbnail_path(digest: str, size: int) -> Path:
    return _place(Path(settings.DATA_DIR) / "thumbnails", digest, f"-{size}.webp")


@contextmanager
def _hold(exclusive: bool) -> Iterator[None]:
    """Uploads share the store, the collector has it alone: no file can go between its bytes and its row."""
    root().mkdir(parents=True, exist_ok=True)
    with (root() / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield


# -- in ------------------------------------------------------------------------------------------------------------


def upload(actor: Actor, source: BinaryIO | Iterable[bytes], name: str = "", stage: str = "") -> Attachment:
    """Take a file and return its row, not yet of any case. The same upload again gives the same row.

    1. write aside, hash, bound; 2. tell what it is and make the thumbnails; 3. sync and put in place; 4. the row.
    Raises `FileRefused`; nothing is kept then.
    """
    folder = root() / "part"
    folder.mkdir(parents=True, exist_ok=True)
    handle, part_name = tempfile.mkstemp(dir=folder)
    part = Path(part_name)
    try:
        digest, size = _write_aside(handle, source)
        content = _inspect(part, digest)
        part.chmod(0o640)
        target = path_of(digest)
        with _hold(exclusive=False):
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)
            _sync_folder(target.parent)
            return _row(actor, digest, size, content, clean_name(name, content.media_type), stage)
    finally:
        part.unlink(missing_ok=True)


def _write_aside(handle: int, source: BinaryIO | Iterable[bytes]) -> tuple[str, int]:
    """Digest and size; raises `FileRefused` as soon as the limit is passed."""
    digest, size, most = hashlib.sha256(), 0, settings.UPLOAD_MAX_BYTES
    with os.fdopen(handle, "wb") as out:
        for chunk in _chunks(source):
            size += len(chunk)
            if size > most:
                raise too_large()
            digest.update(chunk)
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    if size == 0:
        raise FileRefused("empty", _("The file is empty."))
    return digest.hexdigest(), size


def too_large() -> FileRefused:
    megabytes = settings.UPLOAD_MAX_BYTES / 2**20
    shown = f"{megabytes:.0f}" if megabytes >= 1 else f"{megabytes:.2g}"
    return FileRefused("too_large", _("The file is too large; at most %(size)s MB are accepted.") % {"size": shown})


def _chunks(source: BinaryIO | Iterable[bytes]) -> Iterable[bytes]:
    chunks = getattr(source, "chunks", None)  # an UploadedFile of Django
    if chunks is not None:
        return chunks(CHUNK)
    read = getattr(source, "read", None)
    return iter(lambda: read(CHUNK), b"") if read is not None else source


def _inspect(part: Path, digest: str) -> Content:
    made = {size: thumbnail_path(digest, size) for size in SIZES}
    known = Attachment.objects.filter(sha256=digest).first()
    if known is not None and path_of(digest).exists() and all(path.exists() for path in made.values()):
        # The same bytes were looked at before.
        return Content(known.media_type, known.width, known.height, known.taken_at, known.lon_e7, known.lat_e7)
    try:
        return thumbnails.inspect(part, made)
    except FileRefused:
        if not path_of(digest).exists():
            for path in made.values():
                path.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def clean_name(name: str, media_type: str) -> str:
    """The name for a later download: no path, no control or direction characters, the extension of the type."""
    name = name.replace("\\", "/").rpartition("/")[2]
    name = "".join(c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    stem = name.rpartition(".")[0] or name
    return f"{stem.strip(' .')[:180] or 'file'}{EXTENSIONS[media_type]}"


def _row(actor: Actor, digest: str, size: int, content: Content, name: str, stage: str) -> Attachment:
    now = moments.now()
    waiting = Attachment.objects.filter(
        sha256=digest, uploaded_by_id=actor.user_id, case__isnull=True, event__isnull=True
    )
    known = waiting.order_by("id").first()
    if known is not None:
        known.name, known.stage, known.uploaded_at = name, stage[:40], now
        known.save(update_fields=["name", "stage", "uploaded_at"])
        return known
    return Attachment.objects.create(
        sha256=digest,
        media_type=content.media_type,
        size=size,
        width=content.width,
        height=content.height,
        name=name,
        stage=stage[:40],
        taken_at=content.taken_at,
        lon_e7=content.lon_e7,
        lat_e7=content.lat_e7,
        uploaded_by_id=actor.user_id,
        uploaded_at=now,
    )


# -- out -----------------------------------------------------------------------------------------------------------


def may_see(actor: Actor, attachment: Attachment) -> bool:
    """Who may read the case or the one it is a task of may see its files; an upload of no case, only who sent it."""
    if actor.kind == "system":
        return True
    if attachment.case_id is None:
        return attachment.uploaded_by_id == actor.user_id
    return _readable(actor, Attachment.objects.filter(pk=attachment.pk)).exists()


def _readable(actor: Actor, rows: QuerySet[Attachment]) -> QuerySet[Attachment]:
    """A case's page shows the photos of its tasks, so who reads the case reads those too."""
    cases = permits.visible(actor).values("pk")
    return rows.filter(Q(case_id__in=cases) | Q(case__parent_id__in=cases))


def find(actor: Actor, digest: str) -> Attachment | None:
    """A file of that digest which the actor may see, or None: whether others have it is not told."""
    if not _DIGEST.fullmatch(digest):
        return None
    rows = Attachment.objects.filter(sha256=digest)
    own = rows.filter(case__isnull=True, uploaded_by_id=actor.user_id).order_by("id").first()
    return own or _readable(actor, rows).order_by("id").first()


def open_for(
    actor: Actor, attachment: Attachment, *, size: int | None = None, request: HttpRequest | None = None
) -> HttpResponseBase:
    """The bytes (or a thumbnail of ``size`` pixels) as an answer; PermissionDenied for who may not see the case."""
    if not may_see(actor, attachment):
        raise PermissionDenied(_("You may not see this file."))
    return serve(attachment, size=size, request=request)


def serve(attachment: Attachment, *, size: int | None = None, request: HttpRequest | None = None) -> HttpResponseBase:
    """Answer with bytes whose visibility the caller has checked; FileNotFoundError when they are not there.

    Pictures are shown in place, everything else is downloaded; nothing in them may run.
    """
    path = path_of(attachment.sha256) if size is None else thumbnail_of(attachment, size)
    tag = f'"{attachment.sha256}{"" if size is None else f"-{size}"}"'
    response: HttpResponseBase
    if request is not None and tag in request.headers.get("If-None-Match", ""):
        response = HttpResponseNotModified()
    else:
        media_type = attachment.media_type if size is None else thumbnails.THUMBNAIL_TYPE
        extension = EXTENSIONS.get(media_type, "")
        name = attachment.name.rpartition(".")[0] or attachment.sha256[:12]
        response = FileResponse(
            path.open("rb"),
            content_type=media_type,
            filename=f"{name}{extension}",
            as_attachment=media_type not in PICTURES,
        )
    response["ETag"] = tag
    response["Cache-Control"] = "private, max-age=600"
    response["Vary"] = "Authorization, Cookie"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def thumbnail_of(attachment: Attachment, size: int) -> Path:
    """The thumbnail, made again when it is missing; FileNotFoundError when the file has none."""
    if size not in SIZES or attachment.media_type not in PICTURES:
        raise FileNotFoundError(f"no thumbnail of {size} pixels")
    path = thumbnail_path(attachment.sha256, size)
    if not path.exists():
        thumbnails.inspect(path_of(attachment.sha256), {size: path})
    return path


# -- away ----------------------------------------------------------------------------------------------------------


def collect_garbage(older_than: timedelta = PATIENCE) -> Collected:
    """Remove uploads that no case took, files that no row names, and what broken uploads left behind."""
    limit = moments.now() - older_than
    rows, _by_model = Attachment.objects.filter(case__isnull=True, event__isnull=True, uploaded_at__lt=limit).delete()
    files = freed = 0
    for path in _old_files(limit.timestamp()):
        if path.parent.name == "part":
            path.unlink(missing_ok=True)
            continue
        with _hold(exclusive=True), suppress(FileNotFoundError):
            stat = path.stat()  # looked at again: an upload may have put the same bytes there just now
            if stat.st_mtime < limit.timestamp() and not Attachment.objects.filter(sha256=path.name).exists():
                _unlink(path.name)
                files, freed = files + 1, freed + stat.st_size
    return Collected(rows, files, freed)


def _old_files(before: float) -> Iterator[Path]:
    for folder, _folders, names in os.walk(root()):
        for name in names:
            path = Path(folder, name)
            if not (_DIGEST.fullmatch(name) or path.parent.name == "part"):
                continue
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    yield path


def erase(attachments: Iterable[Attachment]) -> int:
    """Delete rows at once, and their bytes and thumbnails unless another row names them; returns the rows."""
    count = 0
    with _hold(exclusive=True):
        for row in attachments:
            row.delete()
            count += 1
            if not Attachment.objects.filter(sha256=row.sha256).exists():
                _unlink(row.sha256)
    return count


def _unlink(digest: str) -> None:
    for size in SIZES:
        thumbnail_path(digest, size).unlink(missing_ok=True)
    path_of(digest).unlink(missing_ok=True)
