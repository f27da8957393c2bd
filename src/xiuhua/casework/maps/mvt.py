"""Mapbox Vector Tile 2.1 written straight to bytes; ADR 0035 says why not through a library.

A tile here has one layer. Coordinates are whole tile units, ``EXTENT`` to a side, y downward. Geometries are lists
of (x, y) pairs: points, lines, or rings whose orientation the caller has set (outer clockwise as seen on screen).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

EXTENT = 4096
VERSION = 2

Value = str | int | float | bool
Kind = Literal["point", "line", "polygon"]
Path = Sequence[tuple[int, int]]

_TYPES = {"point": 1, "line": 2, "polygon": 3}
_MOVE, _LINE, _CLOSE = 1, 2, 7


@dataclass(frozen=True, slots=True)
class Feature:
    """``paths``: one path of one or more points; or lines; or rings. ``pk``: a number that names it in the layer."""

    kind: Kind
    paths: Sequence[Path]
    properties: Mapping[str, Value | None] = field(default_factory=dict)
    pk: int | None = None


def encode(name: str, features: Iterable[Feature]) -> bytes:
    """A tile with the layer ``name``; b"" for no features, which is a valid empty tile."""
    keys: dict[str, int] = {}
    values: dict[tuple[type, Value], int] = {}
    rows: list[bytes] = []
    for one in features:
        tags = bytearray()
        for key, value in one.properties.items():
            if value is None:
                continue
            # True == 1 == 1.0 in a dict: the type is part of what makes a value one value.
            tags += _varint(keys.setdefault(key, len(keys)))
            tags += _varint(values.setdefault((type(value), value), len(values)))
        body = bytearray()
        if one.pk is not None:
            body += b"\x08" + _varint(one.pk)
        if tags:
            body += b"\x12" + _varint(len(tags)) + tags
        body += b"\x18" + _varint(_TYPES[one.kind])
        geometry = _geometry(one.kind, one.paths)
        body += b"\x22" + _varint(len(geometry)) + geometry
        rows.append(b"\x12" + _varint(len(body)) + bytes(body))
    if not rows:
        return b""
    layer = bytearray(b"\x78" + _varint(VERSION))
    layer += _text(0x0A, name)
    for row in rows:
        layer += row
    for key in keys:
        layer += _text(0x1A, key)
    for _type, value in values:
        said = _value(value)
        layer += b"\x22" + _varint(len(said)) + said
    layer += b"\x28" + _varint(EXTENT)
    return b"\x1a" + _varint(len(layer)) + bytes(layer)


def _varint(value: int) -> bytes:
    if 0 <= value < 16384:
        return _SMALL[value]
    if value < 0:
        value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


_SMALL = [bytes([n]) if n < 128 else bytes([n & 127 | 128, n >> 7]) for n in range(16384)]


def _text(tag: int, text: str) -> bytes:
    raw = text.encode()
    return bytes([tag]) + _varint(len(raw)) + raw


def _value(value: Value) -> bytes:
    if isinstance(value, bool):
        return b"\x38\x01" if value else b"\x38\x00"
    if isinstance(value, int):
        return b"\x28" + _varint(value) if value >= 0 else b"\x30" + _varint(_zigzag(value))
    if isinstance(value, float):
        return b"\x19" + struct.pack("<d", value)
    return _text(0x0A, value)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _geometry(kind: Kind, paths: Sequence[Path]) -> bytes:
    """Command integers: move and line counts, then zigzag steps from the point before."""
    out = bytearray()
    x = y = 0
    for path in paths:
        # A ring ends where it began; the last point is not written, CLOSE stands for it.
        points = path[:-1] if kind == "polygon" and path[0] == path[-1] else path
        if kind == "point":
            out += _varint(_MOVE | len(points) << 3)
        else:
            out += _varint(_MOVE | 1 << 3)
        for place, (px, py) in enumerate(points):
            if place == 1 and kind != "point":
                out += _varint(_LINE | (len(points) - 1) << 3)
            out += _varint(_zigzag(px - x)) + _varint(_zigzag(py - y))
            x, y = px, py
        if kind == "polygon":
            out += _varint(_CLOSE | 1 << 3)
    return bytes(out)
