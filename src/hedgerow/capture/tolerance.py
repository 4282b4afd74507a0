r"""Reading JSON that is not quite JSON, as real clients send it.

The browser SDK cuts strings at 65,535 UTF-16 units, sometimes between the halves of an emoji; Python writes NaN and
Infinity; old clients send bytes that are not UTF-8. The strict decoder refuses the whole body for any of these, and
neighbours would be lost. So, on an error, the text is mended: bytes that are not UTF-8 become U+FFFD, NaN and the
infinities become null, and a lone surrogate's escape (`\ud83d`) becomes a mark: an escape of the same length from a
block of characters, private ones first, that the body does not use. That text decodes. `as_sent` puts the surrogates back into
what is stored as text; `readable` and `readable_text` make them U+FFFD for everything that must be Unicode.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from hedgerow.capture.refusals import unparsable

_REPAIRS_MAX: Final = 1_000_000
"""Repairs of one body: each is a call."""
_STRETCH_BYTES: Final = 128 * 1024

_NOT_A_NUMBER = re.compile(
    rb"""((?:[^"NI-]++ | "(?:[^"\\]++|\\.)*+" | -(?!Infinity|NaN))*+)  # everything else, strings whole
         (?:-?(?:NaN|Infinity)())?""",
    re.VERBOSE | re.DOTALL,
)
_SURROGATE = re.compile(
    rb"""((?:[^\\]++ | \\(?!u[dD][89a-fA-F][0-9a-fA-F]{2}).)*+)       # up to the next one
         (?: (\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})  # a pair
           | \\u([0-9a-fA-F]{4}) )?""",
    re.VERBOSE | re.DOTALL,
)


class _Block:
    """2,048 characters that a body does not use, one for each surrogate."""

    def __init__(self, first: int) -> None:
        top, half = first >> 12, b"89a-f" if first & 0x800 else b"0-7"
        self.first = first
        self.characters = re.compile(f"[{chr(first)}-{chr(first + 0x7FF)}]")
        self.any_escape = re.compile(rb"\\u%x[%b]" % (top, half), re.IGNORECASE)
        self.marks = re.compile(rb"\\(?:u(%x[%b][0-9a-f]{2})|.)" % (top, half), re.DOTALL)


_BLOCKS: Final = tuple(map(_Block, (0xE000, 0xE800, 0xF000, *range(0x1000, 0xD800, 0x800))))
"""The private use area first; after it any block of the basic plane will do, because what comes back is never kept."""


class Mended:
    """A body that decodes, and the way back to what was sent."""

    def __init__(self, body: bytes) -> None:
        """Mend it.

        Raises:
            Refused: it is damaged in more places than any client's, or there is nothing to mend.
        """
        characters = body.decode("utf-8", "replace")
        text = characters.encode()
        if text.count(b"NaN") + text.count(b"Infinity") + text.count(b"\\u") > _REPAIRS_MAX:
            raise unparsable("it is damaged in too many places")
        if b"NaN" in text or b"Infinity" in text:
            text = _replaced(_NOT_A_NUMBER, lambda _: b"null", text)
        block = next(
            (b for b in _BLOCKS if not b.characters.search(characters) and not b.any_escape.search(text)), None
        )
        if block is None:
            raise unparsable("it is damaged, and uses characters of every kind there is")
        self._block = block
        self.text = _replaced(_SURROGATE, self._mark, text)

    def as_sent(self, text: bytes) -> bytes:
        """JSON text with the surrogates back in place."""
        return self._block.marks.sub(self._surrogate, text)

    def readable(self, text: bytes) -> bytes:
        """JSON text with U+FFFD in the place of each lone surrogate."""
        return self._block.marks.sub(lambda escape: b"\\ufffd" if escape[1] else escape[0], text)

    def readable_text(self, text: str) -> str:
        """Decoded text with U+FFFD in the place of each lone surrogate."""
        return self._block.characters.sub("\ufffd", text)

    def _mark(self, found: re.Match[bytes]) -> bytes:
        return found[2] or b"\\u%04x" % (int(found[3], 16) - 0xD800 + self._block.first)

    def _surrogate(self, escape: re.Match[bytes]) -> bytes:
        if not escape[1]:
            return escape[0]
        return b"\\u%04x" % (int(escape[1], 16) - self._block.first + 0xD800)


def _replaced(pattern: re.Pattern[bytes], by: Callable[[re.Match[bytes]], bytes], text: bytes) -> bytes:
    """Replace what stands after group 1 wherever another group matched.

    Mind: `sub` would search, so begin again in the middle of strings, and take quadratic time over it. Matches are
    anchored, each where the last one ended, and none is long: other threads get the interpreter in between.
    """
    pieces: list[bytes] = []
    at, end, reach = 0, 0, _STRETCH_BYTES
    while at < len(text):
        if at >= end:
            end = text.find(b",", at + reach) + 1 or len(text)  # no token holds a comma, strings aside
        found = pattern.match(text, at, end)
        assert found is not None, "every part of the pattern may be empty"
        if found.end() == at:  # a string longer than the stretch, or nothing that JSON knows
            if end == len(text):
                break
            end, reach = 0, reach * 2
            continue
        pieces.append(found[1])
        if found.lastindex != 1:
            pieces.append(by(found))
        at, reach = found.end(), _STRETCH_BYTES
    pieces.append(text[at:])
    return b"".join(pieces)
