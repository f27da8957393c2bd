"""Sealed personal data, blind indexes, normal forms and masks."""

from __future__ import annotations

import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xiuhua.city import crypto

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(TEXT, TEXT)
def test_round_trip(text: str, context: str) -> None:
    sealed = crypto.encrypt(text, context)
    assert sealed.startswith("v1:")
    assert crypto.decrypt(sealed, context) == text


@given(TEXT.filter(bool))
def test_equal_texts_are_sealed_differently(text: str) -> None:
    assert crypto.encrypt(text) != crypto.encrypt(text)


@given(st.data())
def test_any_flipped_byte_is_noticed(data: st.DataObject) -> None:
    head, body = crypto.encrypt("13800000000", "case:1:phone").rsplit(":", 1)
    raw = bytearray(base64.urlsafe_b64decode(body))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(crypto.Unreadable):
        crypto.decrypt(f"{head}:{base64.urlsafe_b64encode(bytes(raw)).decode()}", "case:1:phone")


def test_a_sealed_text_cannot_be_moved() -> None:
    sealed = crypto.encrypt("secret", "case:1:phone")
    with pytest.raises(crypto.Unreadable):
        crypto.decrypt(sealed, "case:2:phone")


@pytest.mark.parametrize("text", ["", "plain", "v1:", "v1:00000000:AAAA", "v2:x:y", "v1:x", "v1::***"])
def test_what_is_not_sealed_is_refused(text: str) -> None:
    with pytest.raises(crypto.Unreadable):
        crypto.decrypt(text)


def test_old_keys_still_open_after_a_change(settings: pytest.FixtureRequest) -> None:
    before, index = crypto.encrypt("旧"), crypto.blind_index("phone", "13800000000")
    old, settings.DATA_KEY = settings.DATA_KEY, secrets.token_bytes(32)
    with pytest.raises(crypto.Unreadable, match="not configured"):
        crypto.decrypt(before)
    settings.DATA_KEYS_OLD = (old,)
    assert crypto.decrypt(before) == "旧"
    assert not crypto.is_current(before) and crypto.is_current(crypto.encrypt("新"))
    assert crypto.blind_index("phone", "13800000000") != index


PHONES = [
    ("13800001234", "13800001234"),
    ("+86 138 0000 1234", "13800001234"),
    ("+86-138-0000-1234", "13800001234"),
    ("0086 13800001234", "13800001234"),
    ("8613800001234", "13800001234"),
    ("１３８００００１２３４", "13800001234"),
    ("＋８６　１３８００００１２３４", "13800001234"),
    ("(+86)13800001234", "13800001234"),
    ("0715-8123456", "07158123456"),
    ("(0715) 8123456", "07158123456"),
    ("+86 715 8123456", "07158123456"),
    ("+86 0715 8123456", "07158123456"),
    ("12319", "12319"),
    ("+852 2123 4567", "+85221234567"),
    ("00852 2123 4567", "+85221234567"),
    ("", ""),
    ("无", ""),
]


@pytest.mark.parametrize(("written", "normal"), PHONES)
def test_phone_normal_form(written: str, normal: str) -> None:
    assert crypto.normalise_phone(written) == normal


@given(st.one_of(st.text(max_size=40), st.text("0123456789+ -()８６１", max_size=24)))
def test_normal_form_is_stable(text: str) -> None:
    normal = crypto.normalise_phone(text)
    assert crypto.normalise_phone(normal) == normal
    assert all(c in "0123456789" for c in normal.removeprefix("+"))


FULL_WIDTH = str.maketrans("0123456789+", "０１２３４５６７８９＋")


@given(
    st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True),
    st.sampled_from(["", "+86", "+86 ", "0086", "86", "(+86)"]),
    st.sampled_from(["", " ", "-", "\u3000", "\u00a0"]),
    st.booleans(),
)
def test_every_way_of_writing_a_mobile_finds_it(number: str, prefix: str, gap: str, wide: bool) -> None:
    written = prefix + gap.join([number[:3], number[3:7], number[7:]])
    written = written.translate(FULL_WIDTH) if wide else written
    assert crypto.blind_index("phone", written) == crypto.blind_index("phone", number) != ""


def test_indexes_of_different_things_differ() -> None:
    assert crypto.blind_index("phone", "13800001234") != crypto.blind_index("phone", "13800001235")
    assert crypto.blind_index("phone", "13800001234") != crypto.blind_index("id", "13800001234")
    assert crypto.blind_index("phone", " ") == ""
    assert crypto.blind_index("id", "42120219900101123x") == crypto.blind_index("id", "４２１２０２ 19900101 123Ｘ")


@pytest.mark.parametrize(
    ("mask", "value", "shown"),
    [
        (crypto.mask_phone, "+86 13800001234", "138****1234"),
        (crypto.mask_phone, "0715-8123456", "071****3456"),
        (crypto.mask_phone, "8123456", "*****56"),
        (crypto.mask_phone, "110", "***"),
        (crypto.mask_phone, "", ""),
        (crypto.mask_name, "张三", "张*"),
        (crypto.mask_name, "张", "张*"),
        (crypto.mask_name, "欧阳某某", "欧***"),
        (crypto.mask_name, "", ""),
        (crypto.mask_id, "421202199001011234", "4212************34"),
        (crypto.mask_id, "A1234567", "******67"),
        (crypto.mask_id, "", ""),
    ],
)
def test_masks(mask: object, value: str, shown: str) -> None:
    assert mask(value) == shown  # type: ignore[operator]


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True))
def test_a_masked_phone_hides_the_middle(number: str) -> None:
    masked = crypto.mask_phone(number)
    assert len(masked) == 11 and masked[3:7] == "****"
