"""What the names of one SELECT can mean: its sources in FROM, its aliases, its lambdas' arguments (hogql §3)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from hedgerow.hogql import ast
from hedgerow.hogql.errors import QueryError
from hedgerow.hogql.lowered import (
    Column,
    From,
    Guard,
    Output,
    Property,
    Select,
    SelectSet,
    TableRef,
    Wrapped,
    bare,
    constant,
    native,
)
from hedgerow.hogql.rules.key_filters import by_key
from hedgerow.hogql.rules.prewhere import planned
from hedgerow.hogql.rules.session_keys import with_session_keys
from hedgerow.hogql.rules.timezone import in_zone
from hedgerow.hogql.types import BOOLEAN, ValueType

if TYPE_CHECKING:
    from hedgerow.hogql.database import LazyJoin, Table
    from hedgerow.hogql.resolve import Resolver

Chain = list[str | int]


class Scope:
    """One SELECT while it is resolved. Names of an outer SELECT are not seen from an inner one, except its CTEs."""

    def __init__(self, parent: Scope | None = None) -> None:
        self.parent = parent
        self.ctes: dict[str, ast.CTE] = {}
        self.sources: list[Source] = []
        self.by_name: dict[str, Source] = {}
        self.aliases: dict[str, AliasEntry] = {}
        self.arguments: list[dict[str, ValueType]] = []

    def add(self, source: Source, at: ast.Node) -> None:
        """Take a source into FROM; its name must be new."""
        if source.name in self.by_name:
            raise QueryError(
                f'Already have joined a table called "{source.name}". Can\'t join another one with the same name.',
                at.start,
                at.end,
            )
        self.sources.append(source)
        self.by_name[source.name] = source

    def cte(self, name: str) -> tuple[ast.CTE, Scope] | None:
        """The CTE of that name that is nearest, and the scope it belongs to."""
        scope: Scope | None = self
        while scope is not None:
            found = scope.ctes.get(name)
            if found is not None:
                return found, scope
            scope = scope.parent
        return None

    def argument(self, name: str) -> ValueType | None:
        """The type of a lambda's argument, innermost first."""
        for frame in reversed(self.arguments):
            if name in frame:
                return frame[name]
        return None

    def holders(self, name: str) -> list[Source]:
        """The sources that have a field of that name."""
        return [source for source in self.sources if source.has(name)]

    def from_clause(self) -> list[From]:
        """FROM as it is printed: each source, and what was joined to it on the way right behind it."""
        clause: list[From] = []
        for source in self.sources:
            clause.append(source.as_from())
            clause.extend(source.joined())
        return clause

    def conditions(self, written: list[Any]) -> tuple[list[Any], list[Any]]:
        """What must hold beside the guards, `written` included: for PREWHERE and for WHERE.

        Asked before `from_clause`: a condition may do without the join that it came with.
        """
        everything = [*(condition for source in self.sources for condition in source.conditions()), *written]
        first = self.sources[0] if self.sources else None
        if not isinstance(first, TableSource) or not first.table.guarded:
            return [], everything
        everything = with_session_keys(first, by_key(first, everything))
        return planned(first.alias, everything, final=first.is_final)


class AliasEntry:
    """An alias of a SELECT: resolved when it is first needed, never through itself."""

    __slots__ = ("busy", "node", "resolved")

    def __init__(self, node: ast.Alias) -> None:
        self.node = node
        self.resolved: Any = None
        self.busy = False


class Source(ABC):
    """Something in FROM. `alias` is its ClickHouse name, made by the resolver; `name` is the writer's."""

    def __init__(self, name: str, alias: str) -> None:
        self.name = name
        self.alias = alias
        self.join_type: str | None = None
        self.on: Any = None
        self.using: list[str] | None = None

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whether it has a field of that name."""

    @abstractmethod
    def stars(self) -> list[str]:
        """The names that `*` stands for."""

    def names(self) -> list[str]:
        """The names of its fields that a hint may offer."""
        return self.stars()

    @abstractmethod
    def field(self, chain: Chain, at: ast.Node) -> Any:
        """The lowered expression for a chain of names that begins at this source."""

    @abstractmethod
    def as_from(self) -> From:
        """How it stands in FROM."""

    def joined(self) -> list[From]:
        """What was joined to it on the way."""
        return []

    def conditions(self) -> list[Any]:
        """What WHERE must hold for its rows, beside the guard."""
        return []


class TableSource(Source):
    """A ClickHouse table that is read right here, first in FROM. Its lazy joins stand behind it."""

    def __init__(self, resolver: Resolver, table: Table, name: str, alias: str) -> None:
        super().__init__(name, alias)
        self.resolver = resolver
        self.table = table
        self.args: tuple[Any, ...] | None = None
        self.final = False
        self.group_index: int | None = None
        self.filters: list[Any] = []
        self._lazy: dict[str, JoinedSource] = {}

    @property
    def is_final(self) -> bool:
        """Whether a row is read once: its newest version, or its states merged."""
        return self.final or self.table.keeps != "all"

    def has(self, name: str) -> bool:
        return name in self.table.fields or self.resolver.group_type_field(self.table, name) is not None

    def stars(self) -> list[str]:
        return self.table.stars()

    def names(self) -> list[str]:
        return list(self.table.fields)

    def field(self, chain: Chain, at: ast.Node) -> Any:
        return self.resolver.table_field(self, self.table.fields.get(str(chain[0])), chain, at)

    def key(self, name: str, at: ast.Node) -> Any:
        """A column that a join goes by; some are not for anybody else."""
        return self.resolver.table_field(self, self.table.keys.get(name) or self.table.fields.get(name), [name], at)

    def lazy(self, join: LazyJoin, at: ast.Node) -> JoinedSource:
        """The joined table of that name, joined at its first use."""
        found = self._lazy.get(join.name)
        if found is None:
            key = self.key(join.key, at)
            found = JoinedSource(self.resolver, self.resolver.table_of_join(join), join.name)
            for name, value in join.where:
                found.inner.filters.append(
                    native("equals", found.inner.field([name], at), constant(value), type=BOOLEAN)
                )
                if name == "index" and isinstance(value, int):
                    found.inner.group_index = value
            found.join_type = self.resolver.join_type(join)
            found.on = native("equals", bare(key), found.key(join.their_key, at), type=BOOLEAN)
            self._lazy[join.name] = found
        return found

    def as_from(self) -> From:
        guard = Guard(self.alias, self.resolver.team_id) if self.table.guarded else None
        ref = TableRef(self.table.clickhouse, self.alias, guard, self.args, final=self.is_final)
        return From(ref, self.alias, self.join_type, self.on, self.using)

    def joined(self) -> list[From]:
        return [source.as_from() for source in self._lazy.values()]

    def lazily_joined(self) -> list[JoinedSource]:
        """The tables that were joined on the way."""
        return list(self._lazy.values())

    def drop(self, joined: JoinedSource) -> None:
        """Do without a lazy join."""
        del self._lazy[joined.name]

    def conditions(self) -> list[Any]:
        deleted: list[Any] = []
        if self.table.keeps == "newest":
            column = Column(table=self.alias, name="is_deleted", type=BOOLEAN)
            deleted.append(native("not", column, type=BOOLEAN))
        return [*deleted, *self.filters]


class JoinedSource(Source):
    """A table that is joined: a SELECT of its own, with its own guard, of the fields that are asked for."""

    def __init__(self, resolver: Resolver, table: Table, name: str) -> None:
        super().__init__(name, resolver.new_alias())
        self.resolver = resolver
        self.scope = Scope()
        self.inner = TableSource(resolver, table, name, resolver.new_alias())
        self.scope.sources.append(self.inner)
        self.scope.by_name[name] = self.inner
        self.handed_out = 0
        """How many columns of it the query around it was given, its key left out."""
        self._outputs: dict[tuple[str | int, ...], Output] = {}

    def has(self, name: str) -> bool:
        return self.inner.has(name)

    def stars(self) -> list[str]:
        return self.inner.stars()

    def names(self) -> list[str]:
        return self.inner.names()

    def field(self, chain: Chain, at: ast.Node) -> Any:
        """Ask the inner SELECT for the field; moments come out as they are stored, so that filters reach the table."""
        key = tuple(chain)
        output = self._outputs.get(key)
        expr = self.resolver.finish(self.inner.field(chain, at), chain) if output is None else output.expr
        zoned = isinstance(expr, Wrapped) and expr.why == "zone"
        if output is None:
            inside = expr.bare if zoned else expr
            output = Output(".".join(map(str, chain)), f"c{len(self._outputs)}", inside, inside.type)
            self._outputs[key] = output
            if zoned:
                output.expr = expr
        column = Column(table=self.alias, name=output.sql, type=output.type, label=expr.label, remark=expr.remark)
        self.handed_out += 1
        return in_zone(column, self.resolver.zone) if zoned else column

    def key(self, name: str, at: ast.Node) -> Column:
        """The column that it is joined by."""
        expr = self.inner.key(name, at)
        output = Output(name, "c0", bare(expr, "zone"), expr.type)
        self._outputs[(name,)] = output
        return Column(table=self.alias, name="c0", type=expr.type)

    def expression_of(self, sql: str) -> Any:
        """What stands behind one of its columns, inside of its own SELECT."""
        return next(bare(output.expr, "zone") for output in self._outputs.values() if output.sql == sql)

    def keys_where(self, condition: Any) -> Select:
        """The keys of its rows that a condition holds for."""
        first = next(iter(self._outputs.values()))
        prewhere, where = self.scope.conditions([condition])
        return Select(
            outputs=[first], sources=self.scope.from_clause(), prewhere=prewhere, where=where, type=first.type
        )

    def as_from(self) -> From:
        outputs = [Output(o.name, o.sql, bare(o.expr, "zone"), o.type) for o in self._outputs.values()]
        if not outputs:
            outputs = [Output("one", "c0", constant(1), BOOLEAN)]
        prewhere, where = self.scope.conditions([])
        select = Select(outputs=outputs, sources=self.scope.from_clause(), prewhere=prewhere, where=where)
        return From(select, self.alias, self.join_type, self.on, self.using)


class QuerySource(Source):
    """A subquery, a CTE or a view in FROM."""

    def __init__(self, query: Select | SelectSet, name: str, alias: str, renamed: list[str] | None = None) -> None:
        super().__init__(name, alias)
        self.query = query
        self.columns: dict[str, Output] = {}
        names = renamed or []
        for place, output in enumerate(query.outputs):
            self.columns.setdefault(names[place] if place < len(names) else output.name, output)

    def has(self, name: str) -> bool:
        return name in self.columns

    def stars(self) -> list[str]:
        return list(self.columns)

    def field(self, chain: Chain, at: ast.Node) -> Any:
        output = self.columns.get(str(chain[0]))
        if output is None:
            raise QueryError(f"Field {chain[0]} not found on query with alias {self.name}", at.start, at.end)
        column = Column(table=self.alias, name=output.sql, type=output.type)
        if len(chain) == 1:
            return column
        if output.type.family != "JSON":
            raise unresolved(chain, chain[1], at)
        return Property(base=column, path=list(chain[1:]), type=output.type)

    def as_from(self) -> From:
        return From(self.query, self.alias, self.join_type, self.on, self.using)


def not_found(name: str | int, at: ast.Node) -> QueryError:
    """The error for a name that a table does not have."""
    return QueryError(f"Field not found: {name}", at.start, at.end)


def unresolved(chain: Chain, part: str | int, at: ast.Node) -> QueryError:
    """The error for a chain that goes on where nothing can follow, behind a column or an alias."""
    whole = at.chain if isinstance(at, ast.Field) else chain
    return QueryError(f"Cannot resolve type {'.'.join(map(str, whole))}. Unable to resolve {part}.", at.start, at.end)
