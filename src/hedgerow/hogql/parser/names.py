"""What begins with a name: fields, calls, lambdas, named arguments."""

from __future__ import annotations

from hedgerow.hogql import ast
from hedgerow.hogql.keywords import NAMES
from hedgerow.hogql.parser.columns import Columns
from hedgerow.hogql.parser.cursor import unquote

_BOOLEANS = frozenset({"true", "false"})


class Names(Columns):
    """`named` and the lambdas."""

    def named(self, position: int) -> ast.Expr:
        """What begins with a name: a field, a call, a lambda, a named argument."""
        kinds = self.kinds
        start = self.starts[position]
        name = self.text[start : self.ends[position]]
        if kinds[position] == "QIDENT":
            name = unquote(name)
        following = kinds[position + 1]
        if following == ".":
            return self._field(name, start)
        if following == "(":
            self.pos = position + 1
            return self.call(name, start)
        if following in {",", "->"} and self.lambda_arrow(position) >= 0:
            return self.arrow_lambda(start)
        if following == ":=":
            self.pos = position + 2
            value = self.expr()
            return ast.NamedArgument(name, value, start=start, end=self.end())
        self.pos = position + 1
        return self._plain(name, start, self.ends[position])

    def _plain(self, name: str, start: int, end: int) -> ast.Expr:
        """A name alone; `true` and `false` are constants unless quoted."""
        if len(name) <= 5 and name.lower() in _BOOLEANS and self.text[start] not in '`"':
            return ast.Constant(name.lower() == "true", start=start, end=end)
        return ast.Field([name], start=start, end=end)

    def _field(self, name: str, start: int) -> ast.Expr:
        """`a.b.c`, `a.b.*`."""
        kinds, texts, starts, ends = self.kinds, self.text, self.starts, self.ends
        chain: list[str | int] = [name]
        position = self.pos + 1
        while kinds[position] == ".":
            after = kinds[position + 1]
            if after in NAMES:
                part = texts[starts[position + 1] : ends[position + 1]]
                chain.append(unquote(part) if after == "QIDENT" else part)
                position += 2
            elif after == "*":
                chain.append("*")
                self.pos = position + 2
                return self.excluded(ast.Field(chain, start=start, end=self.end()))
            else:
                break
        self.pos = position
        if len(chain) == 1:
            return self._plain(name, start, ends[position - 1])
        return ast.Field(chain, start=start, end=ends[position - 1])

    def arrow_lambda(self, start: int) -> ast.Expr:
        """`x -> …`, `x, y -> …`, `(x, y) -> …`: what stands before the arrow was looked at already."""
        arrow = self.lambda_arrow(self.pos)
        args = [
            unquote(self.word(place)) if self.kinds[place] == "QIDENT" else self.word(place)
            for place in range(self.pos, arrow)
            if self.kinds[place] in NAMES
        ]
        self.pos = arrow + 1
        body = self.expr()
        return ast.Lambda(args, body, start=start, end=self.end())

    def colon_lambda(self) -> ast.Expr:
        """`lambda x, y: …`."""
        position = self.pos + 1
        args: list[str] = []
        while self.kinds[position] in NAMES:
            word = self.word(position)
            args.append(unquote(word) if self.kinds[position] == "QIDENT" else word)
            position += 1
            if self.kinds[position] != ",":
                break
            position += 1
        if not args or self.kinds[position] != ":":
            return self.named(self.pos)
        start = self.starts[self.pos]
        self.pos = position + 1
        body = self.expr()
        return ast.Lambda(args, body, start=start, end=self.end())
