"""Where the parser stands in its tokens, what it wants next, and what it says when that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgerow.hogql import ast
from hedgerow.hogql.errors import NotSupported, QueryError, SyntaxError_
from hedgerow.hogql.keywords import KEYWORDS, NAMES, NUMBERS
from hedgerow.hogql.tokens import LOOKAHEAD

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from hedgerow.hogql.tokens import Tokens

#: How deep a tree may be, and how many operators may follow each other to the left. ClickHouse itself stops at 1,000;
#: each later pass needs a few Python frames a level.
MAX_DEPTH = 250

TOO_DEEP = f"The query is nested too deeply: more than {MAX_DEPTH} levels"

#: How much of a token an error shows.
_SHOWN = 60

_CLOSES = {"(": ")", "[": "]", "{": "}"}

#: Names that an alias may not have unless they are quoted (hogql §3).
_RESERVED = frozenset({"true", "false", "null", "team_id"})

#: Kinds that begin an operand.
STARTERS = NAMES | {
    *("STRING", "DEC", "OCT", "HEX", "BIN", "FLOAT", "OCT_PREFIX", "INF", "NAN", "NULL"),
    *("(", "[", "{", "-", "+", "*", ".", "#", "TAG_OPEN", "TEMPLATE"),
}

#: Names that are operators when they stand between two operands.
_BETWEEN_OPERANDS = frozenset({"AND", "OR", "IS", "IN", "LIKE", "ILIKE", "BETWEEN", "AS", "IGNORE"})


_WORDS = frozenset(KEYWORDS.values()) - {"CASE", "CAST", "INTERVAL", "NULL", "INF", "NAN"}


class Cursor:
    """The tokens of one text and a position in them; what all parts of the parser share.

    `expr`, `value` and `select_set` are defined in the parts that the parser is put together from.
    """

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.text = tokens.text
        self.kinds = tokens.kinds
        self.starts = tokens.starts
        self.ends = tokens.ends
        self.pos = 0
        #: How many constructs the position is inside of, and the most there ever were.
        self.depth = 0
        self.deepest = 0
        #: How many nodes hang to the left in chains of operators, all chains together.
        self.links = 0
        #: AS tokens that are not the alias of the expression before them: those of CAST and of a column CTE.
        self.plain_as: set[int] = set()
        #: Keywords that turned out not to open the construct that they usually do.
        self.only_names: set[int] = set()
        #: The error that went furthest among those that another reading of the text made up for.
        self.furthest: SyntaxError_ | None = None
        self._matching: dict[int, int] | None = None
        self._lambdas: dict[int, int] | None = None

    # --- moving -----------------------------------------------------------------------------------------------------

    def accept(self, kind: str) -> bool:
        """Step over a token of this kind, if it is next."""
        if self.kinds[self.pos] == kind:
            self.pos += 1
            return True
        return False

    def expect(self, kind: str, wanted: str | None = None) -> None:
        """Step over a token of this kind; anything else is a syntax error."""
        if self.kinds[self.pos] != kind:
            raise self.unexpected(wanted or (f"'{kind}'" if not kind[0].isalpha() else kind))
        self.pos += 1

    def at(self, *kinds: str) -> bool:
        """Whether exactly these kinds come next."""
        return self.kinds[self.pos : self.pos + len(kinds)] == list(kinds)

    def word(self, position: int) -> str:
        """The text of one token, as written."""
        return self.text[self.starts[position] : self.ends[position]]

    def end(self) -> int:
        """Where the last token that was read ends."""
        return self.ends[self.pos - 1] if self.pos else 0

    def enter(self) -> None:
        """Go one construct deeper; `depth` is lowered by who entered."""
        self.depth += 1
        if self.depth > self.deepest:
            self.deepest = self.depth
            if self.depth > MAX_DEPTH:
                raise self.too_deep()

    # --- names ------------------------------------------------------------------------------------------------------

    def name(self, wanted: str = "a name") -> str:
        """Step over a name and give it without quotes. Nearly every keyword is a name, too."""
        position = self.pos
        kind = self.kinds[position]
        if kind not in NAMES:
            raise self.unexpected(wanted)
        self.pos = position + 1
        return unquote(self.word(position)) if kind == "QIDENT" else self.word(position)

    def name_list(self) -> list[str]:
        """`(a, b)`: at least one name in parentheses."""
        self.expect("(")
        names = [self.name()]
        while self.accept(","):
            names.append(self.name())
        self.expect(")")
        return names

    def check_alias(self, position: int, alias: str) -> None:
        """Refuse an alias that is a reserved word without quotes."""
        if self.kinds[position] != "QIDENT" and alias.lower() in _RESERVED:
            message = f'"{alias}" cannot be an alias or identifier, as it\'s a reserved keyword'
            raise SyntaxError_(message, self.starts[position], self.ends[position])

    def begins_operand(self, position: int) -> bool:
        """Whether an expression could begin here. A word such as AND only counts when no operand follows it."""
        kind = self.kinds[position]
        if kind not in STARTERS:
            return False
        if kind in _BETWEEN_OPERANDS:
            after = self.kinds[position + 1]
            return after in {"(", ".", "-", "+", "*", "["} or after not in STARTERS
        after = self.kinds[position + 1]
        if kind == "*":
            return after not in STARTERS or after in _WORDS
        if kind == "+":
            return after in NUMBERS or after == "."
        if kind == "(":
            return after != ")" or self.kinds[position + 2] == "->"
        return kind != "." or after in {"DEC", "OCT"}

    # --- looking ahead ----------------------------------------------------------------------------------------------

    def closing(self, position: int) -> int:
        """The token that closes the bracket at this position; the position of EOF when nothing does."""
        if self._matching is None:
            self._matching = matching = {}
            opened: list[int] = []
            for place, kind in enumerate(self.kinds):
                if kind in _CLOSES:
                    opened.append(place)
                elif kind in {")", "]", "}"} and opened and _CLOSES[self.kinds[opened[-1]]] == kind:
                    matching[opened.pop()] = place
        return self._matching.get(position, len(self.kinds) - LOOKAHEAD)

    def lambda_arrow(self, position: int) -> int:
        """The arrow of the lambda whose arguments begin here; -1 when this is not one.

        `x`, `x, y` and `(x, y)` before an arrow are arguments, from the first name that is only names and commas away.
        """
        if self._lambdas is None:
            self._lambdas = self._find_lambdas() if "->" in self.kinds else {}
        return self._lambdas.get(position, -1)

    def _find_lambdas(self) -> dict[int, int]:
        kinds, found = self.kinds, dict[int, int]()
        for arrow, kind in enumerate(kinds):
            if kind != "->":
                continue
            place = arrow - 1
            bracketed = place >= 0 and kinds[place] == ")"
            place -= bracketed
            if bracketed and kinds[place] == "(":
                found[place] = arrow
                continue
            if place > 0 and kinds[place] == ",":
                place -= 1
            while place >= 0 and kinds[place] in NAMES:
                if not bracketed:
                    found[place] = arrow
                elif kinds[place - 1] == "(":
                    found[place - 1] = arrow
                    break
                if kinds[place - 1] != ",":
                    break
                place -= 2
        return found

    def attempt(self, construct: Callable[[], ast.Expr]) -> ast.Expr | None:
        """Try to read what a keyword usually opens. If it does not, stand where we stood, and never try again here."""
        position, depth = self.pos, self.depth
        if position in self.only_names:
            return None
        try:
            return construct()
        except SyntaxError_ as error:
            if self.furthest is None or (error.start or 0) > (self.furthest.start or 0):
                self.furthest = error
            self.only_names.add(position)
            self.pos, self.depth = position, depth
            return None

    # --- errors -----------------------------------------------------------------------------------------------------

    def unexpected(self, wanted: str) -> SyntaxError_:
        """The error to raise when the token that stands here does not fit."""
        kind, start = self.kinds[self.pos], self.starts[self.pos]
        if kind == "BAD":
            return SyntaxError_(self.tokens.bad or "Unexpected character", start, len(self.text))
        found = "<EOF>" if kind == "EOF" else self.word(self.pos)[:_SHOWN]
        one_too_many = wanted == "<EOF>" and kind != "EOF" and self.kinds[self.pos + 1] == "EOF"
        how = "extraneous" if one_too_many else "mismatched"
        return SyntaxError_(f"{how} input '{found}' expecting {wanted}", start, len(self.text))

    def too_deep(self) -> QueryError:
        """The error to raise when the text nests further than any later pass could follow."""
        return QueryError(TOO_DEEP, self.starts[self.pos], self.ends[self.pos])

    def unsupported(self, message: str, start: int) -> NotSupported:
        """The error to raise for a construct that is known and refused; it began at this offset."""
        end = self.end()
        return NotSupported(message, start, end if end > start else self.ends[self.pos])

    # --- what the parts give each other -----------------------------------------------------------------------------

    def expr(self, level: int = 0) -> ast.Expr:
        """One expression (`operators`)."""
        raise AssertionError(level)

    def value(self, level: int = 0) -> ast.Expr:
        """One expression without AND, OR, `?:` and AS at its top (`operators`)."""
        raise AssertionError(level)

    def operand(self) -> ast.Expr:
        """One expression without operators (`operands`)."""
        raise AssertionError

    def placeholder(self) -> ast.Placeholder:
        """`{expr}` where only a placeholder may stand (`operands`)."""
        raise AssertionError

    def select_set(self) -> ast.SelectQuery | ast.SelectSetQuery | ast.Placeholder:
        """One SELECT or several, combined (`selects`)."""
        raise AssertionError

    def rest_of_set(self, first: ast.Expr, start: int) -> ast.SelectQuery | ast.SelectSetQuery | ast.Placeholder:
        """What follows a query in parentheses: set operators, ORDER BY, LIMIT, OFFSET (`selects`)."""
        raise AssertionError(first, start)

    # --- lists ------------------------------------------------------------------------------------------------------

    def expr_list(self, closers: Container[str]) -> list[ast.Expr]:
        """Expressions up to one of the closing kinds, which is left standing; a comma may end the list."""
        exprs = [self.expr()]
        while self.kinds[self.pos] == ",":
            self.pos += 1
            if self.kinds[self.pos] in closers:
                break
            exprs.append(self.expr())
        return exprs


def unquote(quoted: str) -> str:
    r"""The text that a string or a quoted name stands for.

    A doubled or escaped quote is one quote. `\0` is dropped and `\xHH` is kept as written, as PostHog does.
    """
    quote, body = quoted[0], quoted[1:-1]
    if "\\" not in body:
        return body.replace(quote + quote, quote) if quote in body else body
    return unescape(body, quote, quote + quote)


def unescape(body: str, escapable: str, doubled: str) -> str:
    """Text with its escapes undone: the letters of `_ESCAPES`, a backslash, and a backslash before `escapable`."""
    out: list[str] = []
    position, length = 0, len(body)
    while position < length:
        sign = body[position]
        if sign == "\\" and position + 1 < length:
            after = body[position + 1]
            if after in _ESCAPES:
                out.append(_ESCAPES[after])
                position += 2
                continue
            if after in escapable:
                out.append(after)
                position += 2
                continue
        elif body.startswith(doubled, position):
            position += 1
        out.append(sign)
        position += 1
    return "".join(out)


_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "0": "",
    "\\": "\\",
}
