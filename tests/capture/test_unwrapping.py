"""Unpacking bodies within bounds, and mending those that are not quite JSON."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from typing import Any

import brotli
import lzstring
import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from hedgerow.capture import decode, tolerance
from hedgerow.capture import lzstring as ours
from hedgerow.capture.refusals import Refused
from hedgerow.capture.tolerance import Mended

PACKED: list[tuple[Any, Any]] = [
    (gzip.compress, decode.gunzip),
    (zlib.compress, decode.inflate),
    (zstandard.compress, decode.unzstd),
    (brotli.compress, decode.unbrotli),
]


@pytest.mark.parametrize(("pack", "unpack"), PACKED)
@pytest.mark.parametrize("size", [0, 1, 999, 1000])
def test_what_fits_is_unpacked(pack: Any, unpack: Any, size: int) -> None:
    assert unpack(pack(b"x" * size), 1000) == b"x" * size


@pytest.mark.parametrize(("pack", "unpack"), PACKED)
@pytest.mark.parametrize("size", [1001, 50_000_000])
def test_what_does_not_fit_is_refused(pack: Any, unpack: Any, size: int) -> None:
    with pytest.raises(Refused, match="larger than the 1,000 bytes") as refused:
        unpack(pack(bytes(size)), 1000)
    assert refused.value.status == 413


@pytest.mark.parametrize(("pack", "unpack"), PACKED)
@given(data=st.binary(max_size=200))
def test_garbage_is_refused_or_unpacked(pack: Any, unpack: Any, data: bytes) -> None:
    refusals: set[int] = set()
    for body in (data, pack(data)[: max(len(data), 3)], data[:10] + pack(data)):
        try:
            assert len(unpack(body, 10_000)) <= 10_000
        except Refused as error:
            refusals.add(error.status)
    assert refusals <= {400, 413}


def test_gzip_of_several_members_is_one_text() -> None:
    assert decode.gunzip(gzip.compress(b"ab") + gzip.compress(b"cd"), 10) == b"abcd"


def test_more_members_than_any_client_sends_are_refused() -> None:
    with pytest.raises(Refused, match="members"):
        decode.gunzip(gzip.compress(b"") * 1500, 10)


@given(st.text(max_size=300))
def test_lz_string_is_unpacked_as_its_own_library_packs_it(text: str) -> None:
    raw = text.encode("utf-16-le", "surrogatepass")
    units = "".join(chr(int.from_bytes(raw[at : at + 2], "little")) for at in range(0, len(raw), 2))

    packed = lzstring.LZString().compressToBase64(units)

    assert ours.unpack(packed, 10_000) == raw.decode("utf-16-le", "surrogatepass")


@given(st.text("ABCDEFabcdef0123456789+/=", max_size=300))
def test_any_letters_are_unpacked_or_refused(text: str) -> None:
    with contextlib.suppress(ours.MalformedError, ours.TooLongError):
        assert len(ours.unpack(text, 1000).encode("utf-16-le", "surrogatepass")) <= 2000


def test_an_lz_string_bomb_is_stopped() -> None:
    packed = lzstring.LZString().compressToBase64("a" * 200_000)

    with pytest.raises(ours.TooLongError):
        ours.unpack(packed, 100_000)


BROKEN = st.recursive(
    st.sampled_from(["NaN", "-Infinity", "Infinity", "-1.5", "null"])
    | st.lists(
        st.sampled_from(["a", ",", "\\\\", '\\"', "NaN", "-", "\\ud83d", "\\ud83d\\ude00", "\\ude00", "\\u00e9"]),
        max_size=9,
    ).map(lambda pieces: '"' + "".join(pieces) + '"'),
    lambda inner: (
        st.lists(inner, max_size=5).map(lambda items: "[" + ",".join(items) + "]")
        | st.lists(inner, max_size=5).map(
            lambda items: "{" + ",".join(f'"k{number}":{item}' for number, item in enumerate(items)) + "}"
        )
    ),
    max_leaves=20,
)


@given(BROKEN, st.sampled_from([1, 7, 40, 100_000]))
def test_a_mended_body_decodes_and_leads_back(text: str, stretch: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tolerance, "_STRETCH_BYTES", stretch)
        mended = Mended(text.encode())

    msgspec.json.decode(mended.text)
    msgspec.json.decode(mended.readable(mended.text))
    sent = mended.as_sent(mended.text)
    assert Mended(sent).text == mended.text
    assert sent.count(b"\\ud83d") == text.count("\\ud83d")


def test_private_characters_of_the_client_stay() -> None:
    mended = Mended(b'["\\ud83d","\\ue03d","\\uE83D","x"]')

    assert mended.as_sent(mended.text) == b'["\\ud83d","\\ue03d","\\uE83D","x"]'
    assert msgspec.json.decode(mended.readable(mended.text)) == ["\ufffd", "\ue03d", "\ue83d", "x"]


def test_a_body_that_uses_every_private_block_is_mended_with_characters_that_it_does_not_use() -> None:
    body = b'["\\ud83d","\\ue000","\\ue800","\\uf000","\\u1234"]'
    mended = Mended(body)

    assert mended.as_sent(mended.text) == body
    assert msgspec.json.decode(mended.readable(mended.text)) == ["\ufffd", "\ue000", "\ue800", "\uf000", "\u1234"]


def test_a_damaged_body_that_uses_characters_of_every_block_is_refused() -> None:
    everything = b",".join(b'"\\u%04x"' % first for first in range(0x1000, 0xF800, 0x800) if first != 0xD800)
    with pytest.raises(Refused, match="every kind"):
        Mended(b'["\\ud83d",' + everything + b"]")


def test_more_damage_than_any_client_does_is_refused() -> None:
    with pytest.raises(Refused, match="too many places"):
        Mended(b"[" + b"NaN," * 1_000_001)
