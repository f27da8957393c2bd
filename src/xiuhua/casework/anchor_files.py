"""An anchor as it leaves the house: a small JSON file, or one line "ID:DIGEST" on paper."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xiuhua.casework import chain
from xiuhua.casework.models import Anchor
from xiuhua.casework.moments import to_us

FORMAT = "xiuhua-anchor-1"


class AnchorFileError(ValueError):
    """The outside anchor cannot be used; the message says why."""


@dataclass(frozen=True)
class AnchorCopy:
    """What is known of an anchor from outside; only ``id`` and ``digest`` when it was read from paper."""

    id: int
    digest: str
    at: int = 0  # microseconds UTC
    algorithm: str = ""
    cases: int = 0
    prev_digest: str = ""
    entries_digest: str = ""
    entries: tuple[tuple[int, int, str], ...] = ()  # case, seq, digest of its last event

    def text(self) -> str:
        """The file's text."""
        content: dict[str, Any] = {
            "format": FORMAT,
            "id": self.id,
            "at_us": self.at,
            "algorithm": self.algorithm,
            "cases": self.cases,
            "prev_digest": self.prev_digest,
            "entries_digest": self.entries_digest,
            "digest": self.digest,
            "entries": [[str(case), seq, digest] for case, seq, digest in self.entries],
        }
        return json.dumps(content, separators=(",", ":")) + "\n"


def copy_of(anchor: Anchor) -> AnchorCopy:
    """The outside copy of a stored anchor."""
    entries = anchor.entries.order_by("case_id").values_list("case_id", "seq", "digest")
    return AnchorCopy(
        id=anchor.pk,
        digest=anchor.digest,
        at=to_us(anchor.at),
        algorithm=anchor.algorithm,
        cases=anchor.cases,
        prev_digest=anchor.prev_digest,
        entries_digest=anchor.entries_digest,
        entries=tuple(entries),
    )


def read_anchor(given: str) -> AnchorCopy:
    """From a path or "ID:DIGEST". Raises `AnchorFileError`, also for a file that does not fit its own digest."""
    name, colon, digest = given.partition(":")
    if colon and name.isdigit() and len(digest) == 64 and all(c in "0123456789abcdef" for c in digest.lower()):
        return AnchorCopy(int(name), digest.lower())
    try:
        data = json.loads(Path(given).read_text("utf-8"))
        entries = tuple((int(case), int(seq), str(head)) for case, seq, head in data["entries"])
        if data["format"] != FORMAT:
            raise AnchorFileError(f"{given}: the format {data['format']!r} is not known")
        found = AnchorCopy(
            id=int(data["id"]),
            digest=data["digest"],
            at=int(data["at_us"]),
            algorithm=data["algorithm"],
            cases=int(data["cases"]),
            prev_digest=data["prev_digest"],
            entries_digest=data["entries_digest"],
            entries=entries,
        )
        whole = chain.entries_digest(found.algorithm, list(entries)) == found.entries_digest
        sealed = chain.anchor_digest(
            found.algorithm,
            at_us=found.at,
            cases=found.cases,
            entries_digest=found.entries_digest,
            prev_digest=found.prev_digest,
        )
    except OSError as error:
        raise AnchorFileError(f"{given} is neither a readable file nor ID:DIGEST ({error.strerror})") from None
    except AnchorFileError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise AnchorFileError(f"{given} is no anchor file: {error}") from None
    if not whole or len(entries) != found.cases or sealed != found.digest:
        raise AnchorFileError(f"{given} does not fit its own digest: it was altered outside")
    return found
