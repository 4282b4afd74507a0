"""What an application may call itself: nothing that makes a person believe that it is ours or PostHog's (gateway §6.5)."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

CHARACTERS_MAX = 255
OURS = ("posthog", "hedgerow")
"""How a name must not begin."""
CLAIMS = ("official", "verified", "trusted")
"""What must not stand in a name."""
_SPACE = re.compile(r"\s+")
_BETWEEN = re.compile(r"[\W_]+")
_CAPITALS: Final = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX")
_SIGNS: Final = str.maketrans(
    "авеѕіјкмнорстухһԁԛѡӏαβγεηικνορςστυχϲɡıøđħłᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏ013456789|!$@€",
    "abesijkmhopctyxhdqwlabyenikvopsotuxcgiodhlabcdefghijklmnoprstuvwyoieasgtbgiisae",
)
"""Letters of other alphabets, and digits, that are taken for Latin letters."""
_ALIKE: Final = str.maketrans("l", "i")
"""After that: `I` and `l` are one sign in many typefaces."""


def tidy(name: str) -> str:
    """The name on one line, without signs that are not seen or that turn the reading around."""
    plain = unicodedata.normalize("NFKC", name)
    spaced = "".join(" " if sign.isspace() else sign for sign in plain)
    return _SPACE.sub(" ", "".join(s for s in spaced if unicodedata.category(s)[0] != "C")).strip()


def misleads(name: str) -> bool:
    """Whether the name claims something, to the eye of a person in a hurry."""
    seen = _as_seen(tidy(name))
    return seen.startswith(tuple(map(_as_seen, OURS))) or any(_as_seen(claim) in seen for claim in CLAIMS)


def _as_seen(text: str) -> str:
    """The letters that a text seems to have, without what stands between them."""
    parts = unicodedata.normalize("NFKD", text.translate(_CAPITALS)).casefold()
    letters = "".join(sign for sign in parts if not unicodedata.combining(sign))
    return _BETWEEN.sub("", letters.translate(_SIGNS)).translate(_ALIKE)
