"""Zip archives that strangers send: bombs, paths that lead out, links and locked members are refused before reading."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path, PurePosixPath

from xiuhua.ledgers.store import FileRefused

MOST_MEMBERS = 2000
MOST_BYTES = 1 << 30
#: A member larger than ``FREE`` may not be more than so many times its packed size.
MOST_RATIO, FREE = 200, 8 << 20


def open_zip(path: Path) -> zipfile.ZipFile:
    """The archive, looked over; raises `FileRefused`. Members are never unpacked under their own paths."""
    try:
        archive = zipfile.ZipFile(path)
        members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise FileRefused("压缩包已损坏或不是 ZIP。", "The archive is damaged or no ZIP.") from None
    if len(members) > MOST_MEMBERS:
        raise FileRefused(
            f"压缩包内文件超过{MOST_MEMBERS}个。", f"There are more than {MOST_MEMBERS} files in the archive."
        )
    seen: set[str] = set()
    for member in members:
        name = member.filename
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if ".." in parts or name.startswith(("/", "\\")) or ":" in name or "\0" in name:
            raise FileRefused(
                f"压缩包内的路径“{name[:80]}”指向外面。", f"The path {name[:80]!r} leads out of the archive."
            )
        if member.flag_bits & 0x1:
            raise FileRefused("压缩包加了密码。", "The archive is locked by a password.")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise FileRefused(f"压缩包内有链接“{name[:80]}”。", f"There is a link in the archive: {name[:80]!r}.")
        if name in seen:
            raise FileRefused(f"压缩包内“{name[:80]}”重复。", f"{name[:80]!r} stands twice in the archive.")
        seen.add(name)
        if member.file_size > FREE and member.file_size > MOST_RATIO * max(member.compress_size, 1):
            raise _bomb()
    if sum(member.file_size for member in members) > MOST_BYTES:
        raise _bomb()
    return archive


def _bomb() -> FileRefused:
    return FileRefused(
        f"压缩包解开后过大（超过{MOST_BYTES >> 30} GB 或压缩比异常），不予处理。",
        f"The archive would unpack to too much (over {MOST_BYTES >> 30} GB, or packed beyond reason).",
    )


def copy(archive: zipfile.ZipFile, member: str, target: Path) -> None:
    """Unpack one member to a path of ours, no more bytes than it declared."""
    left = archive.getinfo(member).file_size
    try:
        with archive.open(member) as source, target.open("wb") as out:
            while chunk := source.read(min(1 << 20, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise _bomb()
                out.write(chunk)
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, RuntimeError):
        raise FileRefused(f"“{member[:80]}”已损坏。", f"{member[:80]!r} is damaged.") from None
