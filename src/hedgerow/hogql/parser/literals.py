"""Numbers, strings and type names."""

from __future__ import annotations

from hedgerow.hogql import ast
from hedgerow.hogql.errors import SyntaxError_
from hedgerow.hogql.keywords import NAMES, NUMBERS
from hedgerow.hogql.parser.cursor import Cursor, unquote

#: Longer runs of digits are not a number that anything could hold, and cost more than linear time to read.
_MAX_DIGITS = 400


class Literals(Cursor):
    """`number`, `string` and `type_name`."""

    def string(self) -> ast.Constant:
        """A string in single quotes."""
        position = self.pos
        self.expect("STRING", "a string")
        start, end = self.starts[position], self.ends[position]
        return ast.Constant(unquote(self.text[start:end]), start=start, end=end)

    def null(self) -> ast.Constant:
        """`NULL`."""
        position = self.pos
        self.pos = position + 1
        return ast.Constant(None, start=self.starts[position], end=self.ends[position])

    def at_number(self) -> bool:
        """Whether a number comes next, with or without a sign."""
        position = self.pos
        if self.kinds[position] in {"-", "+"}:
            position += 1
        kind = self.kinds[position]
        return kind in NUMBERS or (kind == "." and self.kinds[position + 1] in {"DEC", "OCT"})

    def number(self) -> ast.Constant:
        """A number: `1`, `-1.5`, `.5`, `0x1F`, `0b11`, `1e5`, `inf`, `nan`."""
        start = self.starts[self.pos]
        negative = self.kinds[self.pos] == "-"
        if negative or self.kinds[self.pos] == "+":
            self.pos += 1
        value = self._unsigned()
        if negative:
            value = -value
        return ast.Constant(value, start=start, end=self.end())

    def _unsigned(self) -> int | float:
        position = self.pos
        kind, word = self.kinds[position], self.word(position)
        self.pos = position + 1
        if len(word) > _MAX_DIGITS:
            raise SyntaxError_("A number is too long", self.starts[position], self.ends[position])
        if kind == "DEC":
            after = self.kinds[self.pos + 1] if self.kinds[self.pos] == "." else ""
            if after in {"DEC", "OCT"}:
                self.pos += 2
                return float(f"{word}.{self.word(position + 2)[:_MAX_DIGITS]}")
            if after and after not in {"IDENT", "QIDENT"}:
                self.pos += 1
                return float(word)
            return int(word)
        if kind == "OCT":
            return int(word)  # a leading zero means nothing
        if kind == "FLOAT":
            return float.fromhex(word) if word[:2] in {"0x", "0X"} else float(word)
        if kind == "HEX":
            return int(word, 16)
        if kind == "BIN":
            return self._binary(position, word)
        if kind == ".":
            if self.kinds[self.pos] not in {"DEC", "OCT"}:
                raise self.unexpected("a number")
            self.pos += 1
            return float(f".{self.word(position + 1)[:_MAX_DIGITS]}")
        if kind == "INF":
            return float("inf")
        if kind == "NAN":
            return float("nan")
        self.pos = position
        if kind == "OCT_PREFIX":
            message = f"Octal numbers such as {word} are not supported: write a decimal number"
            raise SyntaxError_(message, self.starts[position], self.ends[position])
        raise self.unexpected("a number")

    def place(self, position: int) -> int:
        """The value of a token that counts elements: `t.1`, `#1`."""
        word = self.word(position)
        if len(word) > 18:
            raise SyntaxError_("An index is too large", self.starts[position], self.ends[position])
        return int(word)

    def _binary(self, position: int, word: str) -> int:
        if len(word.lstrip("0bB")) > 64:
            raise SyntaxError_("A binary number has more than 64 bits", self.starts[position], self.ends[position])
        return int(word, 2)

    def type_name(self) -> str:
        """The type of a CAST, in lower case and evenly spaced: `array(tuple(a int, b string))`."""
        self.enter()
        name = self.name("a type").lower()
        if self.accept("("):
            name = f"{name}({', '.join(self._type_arguments())})"
            self.expect(")")
        else:
            while self.kinds[self.pos] in NAMES:
                name += f" {self.name().lower()}"
        while self.accept("["):
            size = self.word(self.pos - 1) if self.accept("DEC") else ""
            self.expect("]")
            name += f"[{size}]"
        self.depth -= 1
        return name

    def _type_arguments(self) -> list[str]:
        """What stands in the parentheses of a type: types, named types, or plain values."""
        arguments: list[str] = []
        while self.kinds[self.pos] != ")":
            kind, after = self.kinds[self.pos], self.kinds[self.pos + 1]
            if kind == "STRING" and after == "==":
                raise self.unsupported("Enum types are not supported in CAST", self.starts[self.pos])
            if kind in NAMES and after in NAMES and self.kinds[self.pos + 2] in {"(", "["}:
                arguments.append(f"{self.name().lower()} {self.type_name()}")
            elif kind in NAMES and (after in NAMES or after in {"(", ")", "[", ","}):
                arguments.append(self.type_name())
            else:
                first = self.pos
                self.expr()
                arguments.append("".join(self.word(position) for position in range(first, self.pos)))
            if not self.accept(","):
                break
        return arguments
