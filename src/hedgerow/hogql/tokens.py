"""Text to tokens, in one pass and linear time.

A token is a kind, a start and an end; the three live in parallel lists, which is what makes the parser quick. Kinds are
strings: a keyword's upper-case name (`SELECT`), the sign itself (`<=`), or one of

    IDENT QIDENT STRING           names, quoted names and strings, quotes included
    DEC OCT HEX BIN FLOAT         numbers
    OCT_PREFIX                    `0o17`, which is refused with a sentence of its own
    TEMPLATE TEXT TEMPLATE_END    f'…', its literal parts and its closing quote
    TAG_OPEN TAG_CLOSE TAG_TEXT   `<` of a tag, `</` of a tag, what stands between tags
    BAD EOF                       a sign that begins nothing (always the last before EOF); the end

Braces switch between ways of reading: inside `{…}` of a template or a tag the text is HogQL again. `_READERS` maps
each mode to its expression; the stack of modes is the nesting.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from hedgerow.hogql.keywords import KEYWORDS

#: After one of these a `<` compares; elsewhere it may open a tag.
_OPERAND_ENDS = frozenset({"IDENT", "QIDENT", "STRING", "DEC", "OCT", "HEX", "BIN", "FLOAT", ")", "]", "}", "NULL"})

_SPACE = " \t\n\r\x0b\x0c\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_LINE_COMMENT = r"(?:--|//)[^\n\r]*+ | \#(?![0-9])[^\n\r]*+"
_ESCAPE = r"\\(?:[bfrntavBFRNTAV0\\]|[xX][0-9a-fA-F]{2})"
_STRING = rf"'(?:[^\\']++|{_ESCAPE}|\\'|'')*+'"

_HOGQL = re.compile(
    rf"""
    (?: [{_SPACE}]++ | {_LINE_COMMENT} )*+
    (?:
      ( [fF]' )
    | ( [A-Za-z_$][A-Za-z0-9_$]*+ )
    | ( [,*+;%] | \.(?![0-9]++[eE][+-]?[0-9]) | ->? | =(?:=|~\*?)? | :[:=]? | /(?!\*)>? | \|\|
      | !(?:=|~\*?) | ~\*? | >=? | \?[.?]? | \# )
    | ( {_STRING} )
    | ( 0[xX][0-9a-fA-F]++(?:\.[0-9a-fA-F]*+)?[pP][+-]?[0-9]++
      | [0-9]++(?:\.[0-9]*+)?[eE][+-]?[0-9]++
      | \.[0-9]++[eE][+-]?[0-9]++ )
    | ( 0[xX][0-9a-fA-F]++ | 0[bBoO][0-9]++ | [0-9]++ )
    | ( [({{\[] )
    | ( [)}}\]] )
    | ( <(?:=>|[=>/])? )
    | ( `(?:[^\\`]++|{_ESCAPE}|\\'|``)*+` | "(?:[^\\"]++|{_ESCAPE}|\\"|"")*+" )
    | ( /\* )
    | ( . )
    )?+
    """,
    re.VERBOSE | re.DOTALL,
)

_SIGN, _NAME, _TEMPLATE, _LITERAL, _FLOAT, _NUMBER, _OPEN, _CLOSE, _LESS, _QUOTED, _COMMENT, _OTHER = (
    3, 2, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12,
)  # fmt: skip

#: What opens a tag: a name right after `<`, then `>` or `/`, or space and something that goes on with a tag.
_TAG = re.compile(
    rf"<[A-Za-z_][A-Za-z0-9_-]*+ (?: [>/] | [ \t\n\r\x0b\x0c] (?:[ \t\n\r\x0b\x0c]++|{_LINE_COMMENT})*+ [A-Za-z0-9_>/])",
    re.VERBOSE,
)

_TEMPLATE_PART = re.compile(rf"((?:[^\\'{{]++|{_ESCAPE}|\\'|\\\{{|'')++)|(\{{)|(')", re.DOTALL)
_FULL_TEMPLATE_PART = re.compile(r"((?:[^{\\]++|\\\{?)++)|(\{)", re.DOTALL)
_TAG_PART = re.compile(
    rf"""(?: [ \t\n\r]++ | (?:--|//)[^\n\r]*+ | /\*.*?\*/ )*+
    (?: ([A-Za-z_][A-Za-z0-9_-]*+) | (=) | ({_STRING}) | (\{{) | (/>) | (>) )?+""",
    re.VERBOSE | re.DOTALL,
)
_TAG_CHILD = re.compile(r"([^<{]++)|(\{)|(</)|(<)")

_SIGN_KINDS = {"<>": "!=", "~": "=~", "~*": "=~*", "=": "=="}

#: How far the parser looks ahead without checking for the end.
LOOKAHEAD = 6

#: More open brackets, templates or tags than this are not read: the parser stops long before, and a flood ends early.
_MAX_NESTING = 1_000
_TOO_DEEP = f"Brackets are nested more than {_MAX_NESTING} deep"

HOGQL, TEMPLATE, FULL_TEMPLATE = "hogql", "template", "full template"
TAG, CHILDREN, TAG_END = "tag", "children", "tag end"


class Tokens(NamedTuple):
    """The tokens of one text, in parallel lists; `bad` says why a BAD token is one.

    EOF stands at the end several times, so that looking ahead needs no thought of the end.
    """

    text: str
    kinds: list[str]
    starts: list[int]
    ends: list[int]
    bad: str | None


class Tokenizer:
    """One pass over one text. `read` is the only thing to call, once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.kinds: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.bad: str | None = None
        self.mode = HOGQL
        #: The modes that the open braces, templates and tags will return to.
        self.outer: list[str] = []
        #: How many brackets are open.
        self.nesting = 0
        #: Set once a comment was opened that nothing closes, so that the text is searched for its end only once.
        self.comments_end = True

    def read(self, mode: str = HOGQL) -> Tokens:
        """All tokens of the text, read from its start in the given mode."""
        readers = {
            HOGQL: self._read_hogql,
            TEMPLATE: self._read_template,
            FULL_TEMPLATE: self._read_full_template,
            TAG: self._read_tag,
            TAG_END: self._read_tag,
            CHILDREN: self._read_children,
        }
        position = 0
        while mode:
            if len(self.outer) > _MAX_NESTING:
                self._stop(position, _TOO_DEEP)
                break
            self.mode = mode
            mode, position = readers[mode](position)
        for _ in range(LOOKAHEAD):
            self._add("EOF", len(self.text), len(self.text))
        return Tokens(self.text, self.kinds, self.starts, self.ends, self.bad)

    def _add(self, kind: str, start: int, end: int) -> None:
        self.kinds.append(kind)
        self.starts.append(start)
        self.ends.append(end)

    def _stop(self, start: int, reason: str) -> tuple[str, int]:
        """Record a sign that begins nothing; what follows it is of no interest."""
        self.bad = reason
        self._add("BAD", start, start + 1)
        return "", start

    def _read_hogql(self, position: int) -> tuple[str, int]:  # noqa: C901, PLR0912 -- the hot loop
        text = self.text
        add_kind, add_start, add_end = self.kinds.append, self.starts.append, self.ends.append
        keywords, sign_kinds = KEYWORDS, _SIGN_KINDS
        while True:
            for match in _HOGQL.finditer(text, position):
                group = match.lastindex
                if group is None:
                    return "", len(text)
                start, end = match.span(group)
                if group == _NAME:
                    kind = keywords.get(text[start:end].upper(), "IDENT")
                elif group == _SIGN:
                    kind = text[start:end]
                    kind = sign_kinds.get(kind, kind)
                elif group == _LITERAL:
                    kind = "STRING"
                elif group == _NUMBER:
                    kind = _number_kind(text, start, end)
                    if kind == "BAD":
                        return self._stop(start, f"Malformed number {text[start:end]}")
                elif group == _QUOTED:
                    kind = "QIDENT"
                elif group == _FLOAT:
                    kind = "FLOAT"
                elif group == _LESS:
                    kind = text[start:end]
                    if kind == "<>":
                        kind = "!="
                    elif kind == "</":
                        return self._stop(start, "A closing tag without its opening tag")
                    elif kind == "<" and self._opens_tag(start):
                        self._add("TAG_OPEN", start, end)
                        self.outer.append(HOGQL)
                        return TAG, end
                elif group == _OPEN:
                    kind = text[start]
                    self.nesting += 1
                    if kind == "{":
                        self.outer.append(HOGQL)
                    if self.nesting > _MAX_NESTING:
                        return self._stop(start, _TOO_DEEP)
                elif group == _CLOSE:
                    kind = text[start]
                    self.nesting -= 1
                    if kind == "}":
                        if not self.outer:
                            return self._stop(start, "Unmatched curly bracket")
                        mode = self.outer.pop()
                        if mode != HOGQL:
                            self._add(kind, start, end)
                            return mode, end
                elif group == _TEMPLATE:
                    if text[start] == "F":
                        return self._stop(start, "A template string starts with a lower-case f")
                    self._add("TEMPLATE", start, end)
                    self.outer.append(HOGQL)
                    return TEMPLATE, end
                elif group == _COMMENT:
                    close = text.find("*/", end) if self.comments_end else -1
                    if close >= 0:
                        position = close + 2
                        break
                    self.comments_end = False
                    return self._stop(start, "A comment is not closed")
                else:
                    return self._stop(start, _why_bad(text[start]))
                add_kind(kind)
                add_start(start)
                add_end(end)

    def _opens_tag(self, start: int) -> bool:
        """Whether the `<` here opens a tag; after an operand it is always a comparison."""
        after_operand = bool(self.kinds) and self.kinds[-1] in _OPERAND_ENDS
        return not after_operand and _TAG.match(self.text, start) is not None

    def _read_template(self, position: int) -> tuple[str, int]:
        for match in _TEMPLATE_PART.finditer(self.text, position):
            if match.start() != position:
                break
            position = match.end()
            if match.lastindex == 1:
                self._add("TEXT", match.start(), position)
            elif match.lastindex == 2:
                self._add("{", match.start(), position)
                self.outer.append(TEMPLATE)
                return HOGQL, position
            else:
                self._add("TEMPLATE_END", match.start(), position)
                return self.outer.pop(), position
        if position == len(self.text):
            return "", position
        return self._stop(position, "An escape that a template string does not know")

    def _read_full_template(self, position: int) -> tuple[str, int]:
        for match in _FULL_TEMPLATE_PART.finditer(self.text, position):
            position = match.end()
            if match.lastindex == 1:
                self._add("TEXT", match.start(), position)
            else:
                self._add("{", match.start(), position)
                self.outer.append(FULL_TEMPLATE)
                return HOGQL, position
        return "", position

    def _read_tag(self, position: int) -> tuple[str, int]:
        """What stands between `<` or `</` and the `>` of a tag."""
        for match in _TAG_PART.finditer(self.text, position):
            group = match.lastindex
            position = match.end()
            if group is None:
                break
            self._add(_TAG_KINDS[group], match.start(group), position)
            if group == 4:  # {
                self.outer.append(self.mode)
                return HOGQL, position
            if group == 5 or (group == 6 and self.mode == TAG_END):  # /> and the > of a closing tag
                return self.outer.pop(), position
            if group == 6:
                return CHILDREN, position
        if position == len(self.text):
            return "", position
        return self._stop(position, _why_bad(self.text[position]))

    def _read_children(self, position: int) -> tuple[str, int]:
        """What stands between an opening tag and its closing tag."""
        for match in _TAG_CHILD.finditer(self.text, position):
            position = match.end()
            if match.lastindex == 1:
                self._add("TAG_TEXT", match.start(), position)
            elif match.lastindex == 2:
                self._add("{", match.start(), position)
                self.outer.append(CHILDREN)
                return HOGQL, position
            elif match.lastindex == 3:
                self._add("TAG_CLOSE", match.start(), position)
                return TAG_END, position
            else:
                self._add("TAG_OPEN", match.start(), position)
                self.outer.append(CHILDREN)
                return TAG, position
        return "", position


_TAG_KINDS = ("", "IDENT", "=", "STRING", "{", "/>", ">")


def _number_kind(text: str, start: int, end: int) -> str:
    """The kind of a number without point and exponent; BAD for `0b12`."""
    if text[start] != "0" or end - start == 1:
        return "DEC"
    mark = text[start + 1]
    if mark in "xX":
        return "HEX"
    if mark in "bB":
        return "BIN" if not text[start + 2 : end].strip("01") else "BAD"
    if mark in "oO":
        return "OCT_PREFIX"
    return "DEC" if "8" in text[start:end] or "9" in text[start:end] else "OCT"


def _why_bad(sign: str) -> str:
    """The sentence for a sign that begins no token."""
    if sign in "'\"`":
        return f"A quote is not closed: {sign}"
    if " " <= sign < "\x7f":
        return f"Unexpected character '{sign}' (U+{ord(sign):04X})"
    return f"Unexpected character U+{ord(sign):04X}"


def tokenize(text: str, mode: str = HOGQL) -> Tokens:
    """The tokens of a text, with EOF last. Never fails: a sign that begins nothing becomes a BAD token and ends it."""
    return Tokenizer(text).read(mode)
