"""Unpacking LZ-string's base64 form, which SDKs of years ago sent (sdk-wire §3).

The format is LZ78 over UTF-16 code units. A stream of codes, least significant bit first: 0 is a new 8-bit unit,
1 a new 16-bit unit, 2 the end, anything else the number of an earlier phrase; codes grow by a bit whenever the
phrases need it. The stream is cut into 6-bit pieces, most significant bit first, each one base64 letter.
"""

from __future__ import annotations

from typing import Final

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BITS: Final = {letter: format(value, "06b") for value, letter in enumerate(_ALPHABET)}
_NEW_BYTE: Final = 0
_NEW_UNIT: Final = 1
_END: Final = 2


class MalformedError(ValueError):
    """The text is no LZ-string."""


class TooLongError(ValueError):
    """The unpacked text would be longer than allowed."""


class _Codes:
    """The bits of the stream, read as little-endian numbers."""

    def __init__(self, text: str) -> None:
        try:
            self._bits = "".join([_BITS[letter] for letter in text.rstrip("=")])
        except KeyError as error:
            raise MalformedError("it holds other letters than base64's") from error
        self._at = 0

    def take(self, width: int) -> int:
        piece = self._bits[self._at : self._at + width]
        if len(piece) < width:
            raise MalformedError("it ends early")
        self._at += width
        return int(piece[::-1], 2)


def unpack(text: str, limit: int) -> str:
    """The text inside; surrogate pairs are joined, lone surrogates stay.

    Memory and time are bounded by `limit` (UTF-16 units): every phrase is one unit longer than one that was put out.

    Raises:
        MalformedError: it is no LZ-string.
        TooLongError: it has more than `limit` units.
    """
    codes = _Codes(text)
    first = codes.take(2)
    if first == _END:
        return ""
    if first not in (_NEW_BYTE, _NEW_UNIT):
        raise MalformedError("its first code is unknown")
    phrase = chr(codes.take(8 if first == _NEW_BYTE else 16))
    phrases: list[str] = ["", "", "", phrase]
    out = [phrase]
    units = 1
    width, room = 3, 4  # `room` codes are left before codes grow by one bit
    while True:
        code = codes.take(width)
        if code == _END:
            return _joined("".join(out))
        if code in (_NEW_BYTE, _NEW_UNIT):
            phrases.append(chr(codes.take(8 if code == _NEW_BYTE else 16)))
            code = len(phrases) - 1
            room -= 1
            if room == 0:
                room, width = 1 << width, width + 1
        if code < len(phrases):
            entry = phrases[code]
        elif code == len(phrases):
            entry = phrase + phrase[0]
        else:
            raise MalformedError("it names a phrase that does not exist")
        units += len(entry)
        if units > limit:
            raise TooLongError
        out.append(entry)
        phrases.append(phrase + entry[0])
        phrase = entry
        room -= 1
        if room == 0:
            room, width = 1 << width, width + 1


def _joined(units: str) -> str:
    """UTF-16 code units as text: pairs become one character."""
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
