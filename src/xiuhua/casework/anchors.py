"""Anchors: every hour the heads of all cases that changed are put under one digest, chained, and sent out of the house.

Whoever holds an old anchor can prove later that nothing before it was changed; without one, somebody who can rewrite
the whole database could rewrite the log with it. An anchor therefore leaves by `leave`: as a file in DATA_DIR/anchors,
and by whatever a room adds to `anchor_leaves` (e-mail, a unit's morning digest, a bulletin).
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connections, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from xiuhua.casework import chain, moments, write
from xiuhua.casework.anchor_files import AnchorCopy, AnchorFileError, copy_of, read_anchor
from xiuhua.casework.models import Anchor, AnchorEntry, Case, Outbox
from xiuhua.casework.moments import from_us, to_us
from xiuhua.casework.registry import outbox
from xiuhua.manifest import Text

log = logging.getLogger("xiuhua.anchors")
KIND = "anchor"
BATCH = 2000

#: Called with every new anchor after it was written; an error is logged and holds up nobody else.
anchor_leaves: list[Callable[[AnchorCopy], None]] = []


def take(using: str = "default") -> Anchor | None:
    """Anchor every case that changed since the last anchor; None when nothing did.

    1. keep other anchors out; 2. read heads in order of case; 3. write anchor and entries; 4. note on each case
    up to where it is anchored. A case that moves on meanwhile comes with the next anchor.
    """
    connection = connections[using]
    with transaction.atomic(using=using):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE casework_anchor IN SHARE ROW EXCLUSIVE MODE")
        last = Anchor.objects.using(using).order_by("-id").first()
        heads = list(_changed(using))
        if not heads:
            return None
        at = max(moments.now(), last.at + timedelta(microseconds=1)) if last else moments.now()
        algorithm, prev = settings.DIGEST, last.digest if last else ""
        entries = chain.entries_digest(algorithm, heads)
        digest = chain.anchor_digest(
            algorithm, at_us=to_us(at), cases=len(heads), entries_digest=entries, prev_digest=prev
        )
        anchor = Anchor.objects.using(using).create(
            at=at, cases=len(heads), prev_digest=prev, entries_digest=entries, digest=digest, algorithm=algorithm
        )
        AnchorEntry.objects.using(using).bulk_create(
            (AnchorEntry(anchor=anchor, case_id=case, seq=seq, digest=head) for case, seq, head in heads),
            batch_size=BATCH,
        )
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE casework_case SET anchored_seq = e.seq FROM casework_anchorentry e "
                "WHERE e.anchor_id = %s AND e.case_id = casework_case.id",
                [anchor.pk],
            )
    return anchor


def _changed(using: str) -> Iterator[tuple[int, int, str]]:
    from django.db.models import F

    cases = Case.objects.using(using).exclude(seq=F("anchored_seq")).order_by("id")
    yield from cases.values_list("id", "seq", "head_digest").iterator(chunk_size=BATCH)


def leave(anchor: Anchor) -> Path:
    """Write the anchor's file and hand a copy to everybody who takes it out of the house."""
    outside = copy_of(anchor)
    path = write_file(outside, folder())
    for carry in anchor_leaves:
        try:
            carry(outside)
        except Exception:
            log.exception("anchor %s was not taken out by %s", anchor.pk, getattr(carry, "__name__", carry))
    return path


def folder() -> Path:
    return Path(settings.DATA_DIR) / "anchors"


def write_file(anchor: AnchorCopy, where: Path) -> Path:
    """Write under a folder, or to a named file; whole or not at all. Returns the path."""
    if where.is_dir() or not where.suffix:
        where.mkdir(parents=True, exist_ok=True)
        where = where / f"anchor-{anchor.id:06d}-{from_us(anchor.at):%Y%m%dT%H%M%SZ}.json"
    part = where.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        file.write(anchor.text())
        file.flush()
        os.fsync(file.fileno())
    part.replace(where)
    return where


def footer(anchor: Anchor | None = None) -> str:
    """One line for the foot of a printed page: the newest anchor, as `log verify --anchor ID:DIGEST` takes it."""
    anchor = anchor or Anchor.objects.order_by("-id").first()
    if anchor is None:
        return ""
    at = timezone.localtime(anchor.at)
    return _("Log anchor %(id)s:%(digest)s of %(at)s") % {
        "at": f"{at:%Y-%m-%d %H:%M}",
        "id": anchor.pk,
        "digest": anchor.digest,
    }


# --- every hour -------------------------------------------------------------------------------------------------


@outbox(KIND, title=Text("办案记录锚定", "The log is anchored"))
def hourly(row: Outbox) -> None:
    """Take the hour's anchor, and queue the next hour's first."""
    schedule()
    anchor = take()
    if anchor is not None:
        leave(anchor)
    else:
        _leave_what_stayed()


def _leave_what_stayed() -> None:
    """An anchor whose file was not written (a full disk, a crash) leaves with the next hour."""
    last = Anchor.objects.order_by("-id").first()
    if last is not None and not list(folder().glob(f"anchor-{last.pk:06d}-*.json")):
        leave(last)


def schedule() -> None:
    """Queue the anchor of the next full hour; once, however often it is called."""
    hour = moments.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    row = write.outbox_row(f"anchor:{hour:%Y%m%d%H}", KIND, hour)
    Outbox.objects.bulk_create([Outbox(**row)], ignore_conflicts=True)


# --- command ----------------------------------------------------------------------------------------------------


def main(argv: list[str]) -> int:
    """Take an anchor now and write its file."""
    parser = argparse.ArgumentParser(prog="xiuhua log anchor", description=main.__doc__)
    parser.add_argument("--out", type=Path, help="folder or file to write to, besides DATA_DIR/anchors")
    parser.add_argument("--check", default="", help="only look whether a file or ID:DIGEST is that of a stored anchor")
    options = parser.parse_args(argv)
    if options.check:
        return _check(options.check)
    anchor = take()
    if anchor is None:
        anchor = Anchor.objects.order_by("-id").first()
        if anchor is None:
            print("there is nothing to anchor yet")
            return 0
        print("nothing changed since the last anchor")
    print(leave(anchor))
    if options.out:
        print(write_file(copy_of(anchor), options.out))
    print(f"{anchor.pk}:{anchor.digest}")
    return 0


def _check(given: str) -> int:
    try:
        outside = read_anchor(given)
    except AnchorFileError as error:
        print(f"xiuhua log anchor: {error}", file=sys.stderr)
        return 2
    same = Anchor.objects.filter(pk=outside.id, digest=outside.digest).exists()
    print("this anchor is stored here" if same else "this anchor is NOT stored here")
    return 0 if same else 1
