"""Personal data at rest: encryption, blind indexes for finding, normalising and masking.

Keys come from ``settings.DATA_KEY`` (32 bytes) by HKDF, one for encryption and one for indexes. A sealed text
is ``v1:<key id>:<base64url of nonce and ciphertext>`` (AES-256-GCM), so a new key can be brought in while
texts under the keys of ``settings.DATA_KEYS_OLD`` stay readable. Indexes do not name their key: after a
change of key they are computed anew.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import unicodedata
from functools import cache
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

VERSION = "v1"
NONCE_BYTES = 12


class Unreadable(ValueError):
    """A sealed text that no configured key opens: damaged, moved to another place, or its key is gone."""


@cache
def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"xiuhua " + purpose).derive(key)


@cache
def key_id(key: bytes) -> str:
    """Eight hex digits that name a data key without telling it."""
    return hashlib.sha256(_derived(key, b"key id")).hexdigest()[:8]


def _keys() -> dict[str, bytes]:
    keys = (settings.DATA_KEY, *getattr(settings, "DATA_KEYS_OLD", ()))
    return {key_id(key): key for key in keys}


def encrypt(text: str, context: str = "") -> str:
    """Seal a text. ``context`` (for example ``case:12:phone``) must be given again to open it, so a sealed
    text cannot be moved to another row unnoticed. Equal texts give different results."""
    key = settings.DATA_KEY
    head = f"{VERSION}:{key_id(key)}:"
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(_derived(key, b"encrypt")).encrypt(nonce, text.encode(), (head + context).encode())
    return head + base64.urlsafe_b64encode(nonce + sealed).decode()


def decrypt(sealed: str, context: str = "") -> str:
    """Open a text; raises `Unreadable`."""
    version, _colon, rest = sealed.partition(":")
    name, _colon, body = rest.partition(":")
    key = _keys().get(name)
    if version != VERSION or not body:
        raise Unreadable("not a sealed text of this version")
    if key is None:
        raise Unreadable(f"sealed under key {name}, which is not configured")
    try:
        raw = base64.b64decode(body.encode(), altchars=b"-_", validate=True)
        aad = f"{version}:{name}:{context}".encode()
        return AESGCM(_derived(key, b"encrypt")).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], aad).decode()
    except (InvalidTag, ValueError, binascii.Error) as error:
        raise Unreadable("the sealed text is damaged or belongs elsewhere") from error


def is_current(sealed: str) -> bool:
    """Whether a text is sealed under the present key; the others wait for re-encryption."""
    return sealed.startswith(f"{VERSION}:{key_id(settings.DATA_KEY)}:")


def blind_index(kind: Literal["phone", "id"], value: str) -> str:
    """Keyed digest (64 hex digits) by which a phone or identity number is found; '' for an empty value."""
    normal = normalise_phone(value) if kind == "phone" else normalise_id(value)
    if not normal:
        return ""
    message = f"{kind}:{normal}".encode()
    return hmac.new(_derived(settings.DATA_KEY, b"index"), message, hashlib.sha256).hexdigest()


def normalise_phone(value: str) -> str:
    """Digits of a phone as dialled inside China: full-width digits, blanks, dashes and +86 fall away.

    A land line written internationally gets its trunk zero back: +86 715 8123456 -> 07158123456.
    Numbers of other countries keep their plus: +85221234567. '' when there is no digit.
    """
    text = unicodedata.normalize("NFKC", value).strip()
    digits = "".join(str(d) for c in text if (d := unicodedata.decimal(c, None)) is not None)
    abroad = text.lstrip("( ").startswith("+")
    if digits.startswith("00"):
        digits, abroad = digits.lstrip("0"), True
    while abroad and digits.startswith("86"):
        digits, abroad = digits[2:], False
        if digits.startswith("00"):
            digits, abroad = digits.lstrip("0"), True
        elif digits and digits[0] not in "01":
            digits = "0" + digits
    while len(digits) == 13 and digits.startswith("861"):
        digits = digits[2:]
    return f"+{digits}" if abroad and digits else digits


def normalise_id(value: str) -> str:
    """An identity number without blanks and dashes, in half-width capitals (the last place may be X)."""
    text = unicodedata.normalize("NFKC", value).upper()
    return "".join(c for c in text if c.isascii() and c.isalnum())


def mask_phone(value: str) -> str:
    """138****5678; short numbers show only their last two digits."""
    phone = normalise_phone(value)
    if len(phone) >= 10:
        return f"{phone[:3]}{'*' * (len(phone) - 7)}{phone[-4:]}"
    return f"{'*' * max(len(phone) - 2, 0)}{phone[-2:]}" if len(phone) > 4 else "*" * len(phone)


def mask_name(value: str) -> str:
    """张**: the first character stays, all others become stars (at most three)."""
    name = value.strip()
    return name[:1] + "*" * min(max(len(name) - 1, 1), 3) if name else ""


def mask_id(value: str) -> str:
    """4212************1X: four and two places stay; shorter numbers show the last two at most."""
    number = normalise_id(value)
    if len(number) >= 12:
        return f"{number[:4]}{'*' * (len(number) - 6)}{number[-2:]}"
    return f"{'*' * (len(number) - 2)}{number[-2:]}" if len(number) > 4 else "*" * len(number)
