"""Translations: ``.po`` files compiled without gettext's tools, and the check that nothing is untranslated.

python -m xiuhua.messages compile     .po -> .mo where newer
python -m xiuhua.messages check       every msgid of the sources stands in a room's Chinese file, translated
python -m xiuhua.messages list ROOM   msgids that ROOM's file lacks, as .po lines to fill in ('': the house's own)
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from xiuhua.rooms import ROOMS

HERE = Path(__file__).resolve().parent
HOUSE = ""  # the modules beside the rooms; their messages stand in the rooms' files
PO = "locale/zh_Hans/LC_MESSAGES/django.po"
KEYWORDS = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
    "pgettext_lazy": ((1, "c"), 2),
}
_FIELD = re.compile(r"%\((\w+)\)[sdifr]|\{(\w*)[^{}]*\}|%[sd]")

Key = tuple[str, str | None]  # msgid (the singular of a plural), context


@dataclass(frozen=True)
class Use:
    """One place where a msgid is used."""

    key: Key
    plural: str | None
    path: str
    line: int


def compile_all(rooms: tuple[str, ...] = ROOMS, base: Path = HERE) -> int:
    """Compile every .po that is newer than its .mo; returns how many were compiled."""
    count = 0
    for room in rooms:
        for po in sorted((base / room).glob("locale/*/LC_MESSAGES/*.po")):
            mo = po.with_suffix(".mo")
            if mo.exists() and mo.stat().st_mtime_ns >= po.stat().st_mtime_ns:
                continue
            with po.open("rb") as source:
                # The locale, from the folder's name, brings the plural rule into the compiled file.
                catalog = read_po(source, locale=po.parents[1].name, charset="utf-8", abort_invalid=True)
            buffer = io.BytesIO()
            write_mo(buffer, catalog)
            part = mo.with_suffix(".part")
            part.write_bytes(buffer.getvalue())
            part.replace(mo)
            count += 1
    return count


def uses(room: str, base: Path = HERE) -> Iterator[Use]:
    """Every translatable string in the Python files and templates of a room (or of the house), tests apart."""
    from django.utils.translation.template import templatize

    for path in sorted((base / room).rglob("*") if room != HOUSE else base.glob("*.py")):
        inside = path.relative_to(base / room)
        if path.suffix not in (".py", ".html", ".txt") or {"tests", "migrations", "static"} & set(inside.parts):
            continue
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".py":
            if "{%" not in text and "{{" not in text:
                continue
            # Django turns a template into lines of gettext calls; indentation means nothing there.
            text = "\n".join(line.lstrip() for line in templatize(text, origin=str(inside)).split("\n"))
        source = io.BytesIO(text.encode())
        for line, found, _comments, context in extract("python", source, keywords=KEYWORDS):
            forms = found if isinstance(found, tuple) else (found,)
            if forms[0]:
                plural = forms[1] if len(forms) > 1 else None
                yield Use((forms[0], context), plural, str(Path(room, inside)), line)


def catalogue(room: str, base: Path = HERE) -> dict[Key, Message]:
    """The messages of a room's Chinese file, without the header; empty when there is no file."""
    path = base / room / PO
    if not path.is_file():
        return {}
    with path.open("rb") as source:
        catalog = read_po(source, charset="utf-8", abort_invalid=True)
    return {(m.id[0] if isinstance(m.id, (tuple, list)) else str(m.id), m.context): m for m in catalog if m.id}


def _fields(text: str) -> set[str]:
    return {match.group(0) for match in _FIELD.finditer(text)}


def faults(rooms: tuple[str, ...] = ROOMS, base: Path = HERE) -> list[str]:
    """What is untranslated, fuzzy, or has other placeholders than its msgid, as sentences."""
    found: list[str] = []
    known: dict[Key, Message] = {}
    for room in rooms:
        for key, message in catalogue(room, base).items():
            known.setdefault(key, message)
            texts = message.string if isinstance(message.string, (tuple, list)) else (message.string or "",)
            if message.fuzzy:
                found.append(f"{room}/{PO}: {key[0]!r} is fuzzy")
            elif not texts or not all(texts):
                found.append(f"{room}/{PO}: {key[0]!r} is not translated")
            elif isinstance(message.id, str) and any(_fields(t) != _fields(key[0]) for t in texts):
                found.append(f"{room}/{PO}: {key[0]!r} and its translation differ in placeholders")
    for room in (HOUSE, *rooms):
        for use in uses(room, base):
            if use.key not in known:
                found.append(f"{use.path}:{use.line}: {use.key[0]!r} stands in no Chinese file")
            elif use.plural and isinstance(known[use.key].id, str):
                found.append(f"{use.path}:{use.line}: {use.key[0]!r} is used with a plural, its entry has none")
    return found


def lacking(room: str, base: Path = HERE) -> str:
    """A room's msgids that no Chinese file has, as .po text to fill in."""
    known = {key for other in ROOMS for key in catalogue(other, base)}
    catalog = Catalog(locale="zh_Hans")
    for use in uses(room, base):
        if use.key not in known:
            message_id = (use.key[0], use.plural) if use.plural else use.key[0]
            catalog.add(message_id, locations=[(use.path, use.line)], context=use.key[1])
    buffer = io.BytesIO()
    write_po(buffer, catalog, width=110, omit_header=True)
    return buffer.getvalue().decode()


def main(argv: list[str]) -> int:
    if argv == ["compile"]:
        print(f"messages: {compile_all()} file(s) compiled")
        return 0
    if argv == ["check"]:
        found = faults()
        print("\n".join(found) if found else "messages: all translated")
        return 1 if found else 0
    if len(argv) == 2 and argv[0] == "list" and argv[1] in (*ROOMS, HOUSE):
        print(lacking(argv[1]), end="")
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
