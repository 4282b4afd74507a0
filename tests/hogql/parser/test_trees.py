"""What texts mean: trees written out, for what matters most and for what is ours alone."""

from __future__ import annotations

import pytest
from tests.hogql.parser.trees import bare

from hedgerow.hogql import ast
from hedgerow.hogql.parser import parse_expr, parse_order_expr, parse_select, parse_template, parse_tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a.b.c", "Field(chain=['a', 'b', 'c'])"),
        ("properties.$browser", "Field(chain=['properties', '$browser'])"),
        ('properties."a b".`c`', "Field(chain=['properties', 'a b', 'c'])"),
        ("t.*", "Field(chain=['t', '*'])"),
        ("TRUE", "Constant(value=True)"),
        ("`true`", "Field(chain=['true'])"),
        ("'it''s \\'x\\' \\n \\\\n'", "Constant(value=\"it's 'x' \\n \\\\n\")"),
        ("-1.5e3", "Constant(value=-1500.0)"),
        ("18446744073709551616", "Constant(value=18446744073709551616)"),
        ("count(*)", "Call(name='count', args=[Field(chain=['*'])])"),
        ("quantile(0.9)(x)", "Call(name='quantile', args=[Field(chain=['x'])], params=[Constant(value=0.9)])"),
        ("count(distinct x)", "Call(name='count', args=[Field(chain=['x'])], distinct=True)"),
        ("a ?? b", "Call(name='ifNull', args=[Field(chain=['a']), Field(chain=['b'])])"),
        ("interval '2 weeks'", "Call(name='toIntervalWeek', args=[Constant(value=2)])"),
        ("INTERVAL 1 DAY", "Call(name='toIntervalDay', args=[Constant(value=1)])"),
        ("a::int", "TypeCast(expr=Field(chain=['a']), type_name='int')"),
        ("CAST(a AS Array( Int ))", "TypeCast(expr=Field(chain=['a']), type_name='array(int)')"),
        ("x -> y", "Lambda(args=['x'], expr=Field(chain=['y']))"),
        ("{filters}", "Placeholder(expr=Field(chain=['filters']))"),
        ("<a b='c'/>", "HogQLXTag(kind='a', attributes=[HogQLXAttribute(name='b', value=Constant(value='c'))])"),
        ("t.1", "TupleAccess(tuple=Field(chain=['t']), index=1)"),
    ],
)
def test_expressions(text: str, tree: str) -> None:
    assert bare(parse_expr(text)) == tree


@pytest.mark.parametrize(
    ("tighter", "same_as"),
    [
        ("a + b * c", "a + (b * c)"),
        ("a - b - c", "(a - b) - c"),
        ("-a * b", "(-a) * b"),
        ("a = b and c = d", "(a = b) and (c = d)"),
        ("a or b and c", "a or (b and c)"),
        ("not a = b", "not (select 1) = b"),
        ("a + 1 between b and c + 1 and d", "((a + 1) between b and (c + 1)) and d"),
        ("a ? b : c ? d : e", "a ? b : (c ? d : e)"),
        ("a || b = c", "(a || b) = c"),
        ("a ?? b = c", "a ?? (b = c)"),
        ("a is null or b", "(a is null) or b"),
        ("a and b and c", "a and (b and c)"),
        ("a || b || c", "a || (b || c)"),
        ("a::int + 1", "(a::int) + 1"),
        ("a as b and c", "(a as b) and c"),
    ],
)
def test_how_tightly_operators_bind(tighter: str, same_as: str) -> None:
    if "select" in same_as:
        assert bare(parse_expr(tighter)) == bare(parse_expr(same_as)).replace(
            "SelectQuery(select=[Constant(value=1)])", "Field(chain=['a'])"
        )
    else:
        assert bare(parse_expr(tighter)) == bare(parse_expr(same_as))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        (
            "a global not in (1)",
            "CompareOperation(left=Field(chain=['a']), right=Constant(value=1), op='global not in')",
        ),
        ("EXTRACT(DAY FROM a)", "Call(name='toDayOfMonth', args=[Field(chain=['a'])])"),
        ("interval '1 DAY'", "Call(name='toIntervalDay', args=[Constant(value=1)])"),
        (
            "a <b and c",
            "And(exprs=[CompareOperation(left=Field(chain=['a']), right=Field(chain=['b']), op='<'), Field(chain=['c'])])",
        ),
    ],
)
def test_what_posthogs_parser_refuses(text: str, tree: str) -> None:
    assert bare(parse_expr(text)) == tree


def test_what_posthogs_parser_drops_is_kept() -> None:
    window = parse_expr("sum(a) filter (where b) over w")
    assert isinstance(window, ast.WindowFunction)
    assert isinstance(window.filter_expr, ast.Field)
    assert parse_order_expr("a desc nulls last").nulls == "LAST"
    rolled = parse_select("select a group by a with rollup")
    assert isinstance(rolled, ast.SelectQuery)
    assert rolled.group_by_mode == "rollup"
    ordered = parse_select("(select a) union all (select b) order by a")
    assert ordered.order_by is not None


def test_limit_and_offset_stay_with_the_query_they_follow() -> None:
    query = parse_select("select 1 union all select 2 limit 3 offset 4")
    assert isinstance(query, ast.SelectSetQuery)
    assert (query.limit, query.offset) == (None, None)
    last = query.subsequent_select_queries[0].select_query
    assert isinstance(last, ast.SelectQuery)
    assert bare(last.limit or last) == "Constant(value=3)"
    assert bare(last.offset or last) == "Constant(value=4)"
    whole = parse_select("(select 1) union all (select 2) limit 3 offset 4")
    assert isinstance(whole, ast.SelectSetQuery)
    assert whole.limit is not None
    assert whole.offset is not None


def test_joins_are_a_chain() -> None:
    query = parse_select("select 1 from a join b on x left join c using (d, e), f final sample 1/10")
    assert isinstance(query, ast.SelectQuery)
    assert query.select_from is not None
    chain: list[ast.JoinExpr] = []
    node: ast.JoinExpr | None = query.select_from
    while node is not None:
        chain.append(node)
        node = node.next_join
    assert [bare(each.table) for each in chain] == [f"Field(chain=['{name}'])" for name in "abcf"]
    assert [each.join_type for each in chain] == [None, "JOIN", "LEFT JOIN", "CROSS JOIN"]
    assert [each.constraint and each.constraint.constraint_type for each in chain] == [None, "ON", "USING", None]
    assert chain[3].table_final
    assert chain[3].sample is not None


def test_ctes_of_both_kinds() -> None:
    query = parse_select("with x as (select 1), 2 as y, z (a) as materialized (select 3) select y from x")
    assert isinstance(query, ast.SelectQuery)
    assert query.ctes is not None
    assert [(cte.name, cte.cte_type, cte.materialized) for cte in query.ctes] == [
        ("x", "subquery", None),
        ("y", "column", None),
        ("z", "subquery", True),
    ]


def test_templates() -> None:
    assert bare(parse_template("Hello {name}!")) == (
        "Call(name='concat', args=[Constant(value='Hello '), Field(chain=['name']), Constant(value='!')])"
    )
    assert bare(parse_template(r"a \{b} 'c'")) == "Constant(value=\"a {b} 'c'\")"
    assert bare(parse_template("")) == "Constant(value='')"


def test_a_tag_or_a_placeholder_alone_is_no_query_yet() -> None:
    assert isinstance(parse_tree("<Sparkline data={[1]}/>"), ast.HogQLXTag)
    assert isinstance(parse_tree("{q}"), ast.Placeholder)
    filled = parse_select("{q}", {"q": parse_select("select 1")})
    assert bare(filled) == "SelectQuery(select=[Constant(value=1)])"


def test_spans_are_character_offsets() -> None:
    text = "select '😀', sum(a.b) + 1 as total from events e where x = 'é' -- end"
    query = parse_select(text)
    assert isinstance(query, ast.SelectQuery)
    assert text[query.start : query.end] == text[: text.index(" -- end")]
    total = query.select[1]
    assert isinstance(total, ast.Alias)
    assert text[total.start : total.end] == "sum(a.b) + 1 as total"
    assert isinstance(total.expr, ast.ArithmeticOperation)
    assert text[total.expr.left.start : total.expr.left.end] == "sum(a.b)"
    assert query.where is not None
    assert text[query.where.start : query.where.end] == "x = 'é'"
    assert query.select_from is not None
    assert text[query.select_from.start : query.select_from.end] == "events e"
