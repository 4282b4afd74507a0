"""HogQLX tags and template strings (hogql §2, §9)."""

from __future__ import annotations

from hedgerow.hogql import ast
from hedgerow.hogql.errors import SyntaxError_
from hedgerow.hogql.parser.cursor import unescape, unquote
from hedgerow.hogql.parser.operators import Operators


class Markup(Operators):
    """`tag` and `template`."""

    def template(self) -> ast.Expr:
        """`f'a{b}c'`: a concat of its parts, or the one part that there is."""
        start = self.starts[self.pos]
        self.expect("TEMPLATE")
        parts = self._parts("'")
        self.expect("TEMPLATE_END", "'''")
        return self._joined(parts, start)

    def full_template(self) -> ast.Expr:
        """A whole text as a template: its parts up to the end."""
        parts = self._parts("")
        self.expect("EOF", "<EOF>")
        return self._joined(parts, 0)

    def _parts(self, quote: str) -> list[ast.Expr]:
        parts: list[ast.Expr] = []
        while True:
            position = self.pos
            if self.accept("TEXT"):
                start, end = self.starts[position], self.ends[position]
                value = unescape(self.text[start:end], "{" + quote, quote * 2 or "\\{")
                parts.append(ast.Constant(value, start=start, end=end))
            elif self.accept("{"):
                parts.append(self.expr())
                self.expect("}")
            else:
                return parts

    def _joined(self, parts: list[ast.Expr], start: int) -> ast.Expr:
        if not parts:
            return ast.Constant("", start=start, end=self.end())
        if len(parts) == 1:
            return parts[0]
        return ast.Call("concat", parts, start=start, end=self.end())

    def tag(self) -> ast.HogQLXTag:
        """`<Kind a='1' b={2} c />`, `<Kind>children</Kind>`."""
        position = self.pos
        start = self.starts[position]
        self.expect("TAG_OPEN", "'<'")
        self.enter()
        kind = self.name("the name of a tag")
        attributes: list[ast.HogQLXAttribute] = []
        while self.kinds[self.pos] == "IDENT":
            attributes.append(self._attribute())
        if not self.accept("/>"):
            self.expect(">", "'>'")
            children = self._children()
            self.expect("TAG_CLOSE", "'</'")
            closing = self.name("the name of a tag")
            self.expect(">")
            if closing != kind:
                message = f"Opening and closing HogQLX tags must match. Got {kind} and {closing}"
                raise SyntaxError_(message, start, self.end())
            if children:
                if any(attribute.name == "children" for attribute in attributes):
                    message = "Can't have a HogQLX tag with both children and a 'children' attribute"
                    raise SyntaxError_(message, start, self.end())
                attributes.append(ast.HogQLXAttribute("children", children))
        self.depth -= 1
        return ast.HogQLXTag(kind, attributes, start=start, end=self.end())

    def _attribute(self) -> ast.HogQLXAttribute:
        """`a='1'`, `a={1}`, `a`: the last means true."""
        start = self.starts[self.pos]
        name = self.name()
        value: ast.Expr = ast.Constant(True)
        if self.accept("="):
            if self.kinds[self.pos] == "STRING":
                position = self.pos
                self.pos += 1
                value = ast.Constant(unquote(self.word(position)), start=self.starts[position], end=self.ends[position])
            else:
                self.expect("{", "a string")
                value = self.expr()
                self.expect("}")
        return ast.HogQLXAttribute(name, value, start=start, end=self.end())

    def _children(self) -> list[ast.Expr]:
        """Tags, expressions in braces, and text; space that only breaks a line is left out."""
        children: list[ast.Expr] = []
        while True:
            kind, position = self.kinds[self.pos], self.pos
            if kind == "TAG_OPEN":
                children.append(self.tag())
            elif kind == "TAG_TEXT":
                self.pos += 1
                text = self.word(position)
                if text.strip() or not ("\n" in text or "\r" in text):
                    children.append(ast.Constant(text, start=self.starts[position], end=self.ends[position]))
            elif kind == "{":
                self.pos += 1
                children.append(self.expr())
                self.expect("}")
            else:
                return children
