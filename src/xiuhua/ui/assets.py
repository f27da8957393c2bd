"""Copies the few front-end files we serve from ``node_modules`` to ``ui/static/vendor``.

Nothing is bundled: browsers get the packages' own dist files, without source-map references, and one icon
sprite cut down to the icons whose names occur in our sources. Templates use

* ``vendor/tabler.css``, ``vendor/tabler.js`` (Bootstrap 5 inside), ``vendor/htmx.js``
* ``vendor/maplibre/maplibre-gl.mjs`` (ES module, its worker beside it), ``vendor/maplibre/maplibre-gl.css``
* ``vendor/icons.svg#tabler-NAME`` for ``<svg><use href=…></svg>``, filled ones as ``#tabler-filled-NAME``
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MODULES = ROOT / "node_modules"
SOURCES = ROOT / "src" / "xiuhua"
VENDOR = Path(__file__).resolve().parent / "static" / "vendor"

#: file served -> file of the package
FILES = {
    "tabler.css": "@tabler/core/dist/css/tabler.min.css",
    "tabler.js": "@tabler/core/dist/js/tabler.min.js",
    "htmx.js": "htmx.org/dist/htmx.min.js",
    "maplibre/maplibre-gl.mjs": "maplibre-gl/dist/maplibre-gl.mjs",
    "maplibre/maplibre-gl-worker.mjs": "maplibre-gl/dist/maplibre-gl-worker.mjs",
    "maplibre/maplibre-gl.css": "maplibre-gl/dist/maplibre-gl.css",
    "licences/tabler-icons.txt": "@tabler/icons-sprite/LICENSE",
    "licences/htmx.txt": "htmx.org/LICENSE",
    "licences/maplibre-gl.txt": "maplibre-gl/LICENSE.txt",
}
SPRITES = (
    "@tabler/icons-sprite/dist/tabler-sprite.svg",
    "@tabler/icons-sprite/dist/tabler-sprite-filled.svg",
)
ICON_SOURCES = {".html", ".py", ".yaml", ".js", ".mjs", ".svg"}

_SOURCE_MAP = re.compile(rb"\n?(?://[#@] sourceMappingURL=\S+|/\*# sourceMappingURL=\S+ \*/)\s*\Z")
_SYMBOL = re.compile(r'<symbol id="(tabler-[a-z0-9-]+)".*?</symbol>', re.DOTALL)
_WORD = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class AssetError(Exception):
    """A package file is not where its version had it."""


def _read(relative: str, modules: Path) -> bytes:
    try:
        return (modules / relative).read_bytes()
    except FileNotFoundError:
        raise AssetError(
            f"front-end file node_modules/{relative} is missing; run `npm ci` (bin/run does) "
            "or correct xiuhua.ui.assets after a change of version"
        ) from None


def words_in_sources(sources: Path = SOURCES) -> set[str]:
    """Every word that occurs in templates, Python, YAML and scripts: the candidates for icon names."""
    words: set[str] = set()
    for path in sources.rglob("*"):
        if path.suffix in ICON_SOURCES and VENDOR not in path.parents and "tests" not in path.parts:
            words.update(_WORD.findall(path.read_text(encoding="utf-8")))
    return words


def sprite(words: set[str], modules: Path = MODULES) -> bytes:
    """One SVG of the symbols whose icon name is among ``words`` (too many is harmless, too few is not)."""
    symbols: list[str] = []
    for source in SPRITES:
        for match in _SYMBOL.finditer(_read(source, modules).decode()):
            name = match.group(1)
            if name in words or name.removeprefix("tabler-").removeprefix("filled-") in words:
                symbols.append(match.group(0))
    if not symbols:
        raise AssetError("no icon found in the sprite; its format has changed")
    return f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(symbols)}</svg>\n'.encode()


def build(modules: Path = MODULES, target: Path = VENDOR, sources: Path = SOURCES) -> list[str]:
    """Write what differs and return the names written; raises `AssetError` when a file is missing."""
    wanted = {name: _SOURCE_MAP.sub(b"\n", _read(source, modules)) for name, source in FILES.items()}
    wanted["icons.svg"] = sprite(words_in_sources(sources), modules)
    written = []
    for name, content in wanted.items():
        path = target / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            written.append(name)
    return written


def missing(target: Path = VENDOR) -> list[str]:
    """Served files that have not been built, for `doctor`."""
    return [name for name in (*FILES, "icons.svg") if not (target / name).is_file()]


def main(argv: list[str] | None = None) -> int:
    try:
        written = build()
    except AssetError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"assets: {len(written)} file(s) written" if written else "assets: up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
