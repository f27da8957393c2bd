"""What a digest covers, and how it is computed to the byte.

An event's digest is taken over one canonical JSON array (RFC 8785: no floats, sorted keys, UTF-8)::

    [version, algorithm, id, case, seq, action, actor, at, from_state, to_state, batch, payload_digest, prev_digest, body]

``id`` and ``case`` are decimal text, ``at`` whole microseconds UTC, digests lower-case hex, ``body`` the event's canonical
object. Integers stay below 2**53. The payload's digest covers a random salt and the stored payload text, so
that erasing both leaves a digest from which nothing can be guessed. SM3 is GB/T 32905-2016, SHA-256 FIPS 180-4.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import Any

import rfc8785

VERSION = 1
ALGORITHMS = ("sm3", "sha256")
_q = json.encoder.encode_basestring  # JSON text of a string, not ASCII only


def canonical(value: Any) -> str:
    """RFC 8785 text of ``value``; floats are refused, integers must fit 2**53."""
    _refuse_floats(value)
    return rfc8785.dumps(value).decode()


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError(f"a float ({value!r}) may not stand in the log: use an integer or a decimal text")
    if isinstance(value, dict):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _refuse_floats(item)


def hex_digest(algorithm: str, data: bytes) -> str:
    """Hex digest of bytes; ValueError for an algorithm that is none of `ALGORITHMS`."""
    if algorithm not in ALGORITHMS:
        raise ValueError(f"unknown digest algorithm {algorithm!r}")
    try:
        return hashlib.new(algorithm, data).hexdigest()
    except ValueError:  # an OpenSSL built without SM3
        from cryptography.hazmat.primitives import hashes

        h = hashes.Hash(hashes.SM3())
        h.update(data)
        return h.finalize().hex()


def event_text(
    *,
    version: int,
    algorithm: str,
    id: int,
    case: int,
    seq: int,
    action: str,
    actor: str,
    at_us: int,
    from_state: str,
    to_state: str,
    batch: str,
    payload_digest: str,
    prev_digest: str,
    body: str,
) -> str:
    """What the digest of one event covers; ``body`` is its canonical text."""
    # json.dumps, spelled out because it is called for every event; a test holds it to RFC 8785.
    return (
        f'[{version:d},{_q(algorithm)},"{id:d}","{case:d}",{seq:d},{_q(action)},{_q(actor)},{at_us:d},{_q(from_state)},'
        f"{_q(to_state)},{_q(batch)},{_q(payload_digest)},{_q(prev_digest)},{body}]"
    )


def event_digest(*, algorithm: str, **event: Any) -> str:
    """Hex digest of one event; the arguments are those of `event_text`."""
    return hex_digest(algorithm, event_text(algorithm=algorithm, **event).encode())


def new_salt() -> str:
    return secrets.token_hex(16)


def payload_digest(algorithm: str, salt: str, body: str) -> str:
    return hex_digest(algorithm, f"{salt}\n{body}".encode())


def anchor_digest(algorithm: str, *, at_us: int, cases: int, entries_digest: str, prev_digest: str) -> str:
    return hex_digest(algorithm, canonical([VERSION, algorithm, at_us, cases, entries_digest, prev_digest]).encode())


def entries_digest(algorithm: str, entries: list[tuple[int, int, str]]) -> str:
    """Digest over (case, seq, head digest) in order of case."""
    try:
        h = hashlib.new(algorithm)
        for case, seq, digest in entries:
            h.update(f"{case} {seq} {digest}\n".encode())
        return h.hexdigest()
    except ValueError:
        return hex_digest(algorithm, "".join(f"{c} {s} {d}\n" for c, s, d in entries).encode())
