"""What a digest covers, to the byte."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st

from xiuhua.casework import chain, verify

WORDS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
EVENT: dict[str, Any] = {
    "version": 1, "algorithm": "sm3", "id": 2**60 + 1, "case": 2**60, "seq": 3, "action": "close", "actor": "user:7",
    "at_us": 1772589780000031, "from_state": "to_close", "to_state": "closed", "batch": "", "payload_digest": "ab",
    "prev_digest": "cd", "body": "{}",
}  # fmt: skip


@given(PLAIN)
def test_canonical_text_is_rfc_8785_and_recognised(value: Any) -> None:
    text = chain.canonical(value)
    assert text.encode() == rfc8785.dumps(value)
    assert verify._is_canonical(text, json.loads(text))


@given(PLAIN)
def test_any_other_spelling_is_not_canonical(value: Any) -> None:
    spaced = json.dumps(value, ensure_ascii=False, indent=1)
    if spaced != chain.canonical(value):
        assert not verify._is_canonical(spaced, json.loads(spaced))


@pytest.mark.parametrize("value", [0.5, [1.0], {"a": {"b": [0.1]}}])
def test_a_float_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="float"):
        chain.canonical(value)


def test_an_integer_beyond_2_to_53_is_refused() -> None:
    with pytest.raises(Exception, match=r".*"):
        chain.canonical(2**53)


@pytest.mark.parametrize("algorithm", chain.ALGORITHMS)
def test_the_digest_is_taken_over_the_documented_array(algorithm: str) -> None:
    body = {"set": {"state": "关"}}
    event = {**EVENT, "algorithm": algorithm, "body": chain.canonical(body)}
    written = [
        1, algorithm, str(2**60 + 1), str(2**60), 3, "close", "user:7", 1772589780000031, "to_close", "closed", "",
        "ab", "cd", body,
    ]  # fmt: skip
    assert chain.event_digest(**event) == hashlib.new(algorithm, rfc8785.dumps(written)).hexdigest()


def test_sm3_is_the_standard_one() -> None:
    """GB/T 32905-2016, appendix A.1; and the fallback gives the same."""
    known = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert chain.hex_digest("sm3", b"abc") == known
    other = hashes.Hash(hashes.SM3())
    other.update(b"abc")
    assert other.finalize().hex() == known


@given(st.sampled_from(sorted(EVENT)), st.data())
def test_every_part_counts(part: str, data: st.DataObject) -> None:
    value = EVENT[part]
    if part in ("version", "algorithm"):
        return
    other = data.draw(st.integers(0, 2**60) if isinstance(value, int) else WORDS.map(lambda w: json.dumps({"w": w})))
    assert (chain.event_digest(**{**EVENT, part: other}) == chain.event_digest(**EVENT)) == (other == value)


@given(WORDS, WORDS)
def test_parts_cannot_run_into_each_other(a: str, b: str) -> None:
    """Moving a character from one part to the next gives another digest."""
    one = chain.event_digest(**{**EVENT, "from_state": a + "x", "to_state": b})
    assert one != chain.event_digest(**{**EVENT, "from_state": a, "to_state": "x" + b})


def test_the_salt_hides_a_short_payload() -> None:
    one, two = (chain.payload_digest("sm3", chain.new_salt(), '{"phone":"13800000000"}') for _ in range(2))
    assert one != two


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(ValueError, match="md5"):
        chain.hex_digest("md5", b"")
