"""The SQL of the views, translated for each warehouse.

Views are written in DuckDB's SQL, with functions that no warehouse has: `json_text(x)`, the text of a JSON value;
`seconds_between(a, b)` and `days_since(a)`, with fractions; and, joined to a table, `json_fields(x) AS f(name,
value)`: a row for each field of a JSON object, its value as text (strings unquoted), and none where `x` is not
an object.

Numbers are taken as `judging.precision` says: `is_same(a, b)`; `computable(x)`, which is null for what is too large;
the aggregates `mean_of_all(x)`, null if any is, and `spread_of_all(x, size)`, the standard deviation, null also
where it is mere rounding of numbers up to `size`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import sqlglot
from sqlglot import exp

from ....judging.precision import LARGEST, NEAR_ZERO, TOLERANCE
from ..dialect import Dialect

FullName = Callable[[str], tuple[str, ...]]
"""Gives the full name of a table or view in its parts, as the warehouse stores them."""

MARK = "made_by_weave_eval"
"""A CTE that every view carries, which marks a view as made here, and says what it was made from."""


@lru_cache(maxsize=128)
def _parsed(sql: str) -> exp.Expr:
    return sqlglot.parse_one(sql, read="duckdb")


def relations(sql: str) -> list[str]:
    """Names of the tables and views that a view reads, in the order in which it names them."""
    tree = _parsed(sql)
    known = {cte.alias for cte in tree.find_all(exp.CTE)}
    named = [table.name for table in tree.find_all(exp.Table, bfs=False) if isinstance(table.this, exp.Identifier)]
    return [name for name in dict.fromkeys(named) if name not in known]


def translated(sql: str, dialect: Dialect, path: FullName, mark: str = "") -> str:
    """A view's query in a warehouse's SQL, on tables with their full names, with `mark` in it if given."""
    tree = _parsed(sql).copy()
    read = set(relations(sql))
    _leave_nulls(tree, dialect)
    if dialect.counts_for_exists:
        tree = tree.transform(_counted)
    _take_fields(tree, dialect)
    tree = tree.transform(_with_function, dialect)
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier) and table.name in read:
            table.replace(_full_name(table, path(table.name)))
    if dialect.has_upper_case_names:
        _fold(tree)
    if mark and isinstance(tree, exp.Select):
        tree = tree.with_(MARK, as_=f"SELECT '{mark}' AS definition", dialect="duckdb")
    return tree.sql(dialect=dialect.name, identify=True, comments=False, pretty=True)


def _with_function(node: exp.Expr, dialect: Dialect) -> exp.Expr:
    """The warehouse's expression in place of one of our functions."""
    template = _function(node.name.lower(), dialect) if isinstance(node, exp.Anonymous) else None
    if not template:
        return node
    arguments = [argument.transform(_with_function, dialect).sql(dialect.name) for argument in node.expressions]
    return exp.paren(sqlglot.parse_one(template.format(*arguments), read=dialect.name))


_NUMBERS = {
    "is_same": f"ABS({{0}} - {{1}}) <= {TOLERANCE} * GREATEST(ABS({{0}}), ABS({{1}}), {NEAR_ZERO})",
    "computable": f"CASE WHEN ABS({{0}}) < {LARGEST} THEN {{0}} END",
    "mean_of_all": "CASE WHEN COUNT({0}) = COUNT(*) THEN AVG({0}) END",
    "spread_of_all": "CASE WHEN COUNT({0}) = COUNT(*) AND "
    f"STDDEV_SAMP({{0}}) > {TOLERANCE} * MAX({{1}}) THEN STDDEV_SAMP({{0}}) END",
}
"""The functions on numbers, in the words of every warehouse."""


def _function(name: str, dialect: Dialect) -> str | None:
    now = exp.CurrentTimestamp().sql(dialect.name)
    templates = {
        "json_text": dialect.json_text,
        "seconds_between": dialect.seconds_between,
        "days_since": f"CASE WHEN {{0}} > {now} THEN 0 ELSE ({dialect.seconds_between.format('{0}', now)}) / 86400 END",
        **_NUMBERS,
    }
    return templates.get(name)


def _take_fields(tree: exp.Expr, dialect: Dialect) -> None:
    """Puts the warehouse's own way of taking JSON objects apart in place of `json_fields`."""
    for join in list(tree.find_all(exp.Join)):
        call = join.this.this
        query = join.parent_select
        if not (query and isinstance(call, exp.Anonymous) and call.name.lower() == "json_fields"):
            continue
        fields, given = dialect.json_fields, {"field": join.this.alias, "x": call.expressions[0].sql(dialect.name)}
        for column in [column for column in query.find_all(exp.Column) if column.table == given["field"]]:
            template = fields.name if column.name == "name" else fields.value
            column.replace(sqlglot.parse_one(template.format(**given), read=dialect.name))
        source = sqlglot.parse_one(f"SELECT 1 FROM t CROSS JOIN {fields.source.format(**given)}", read=dialect.name)
        join.replace(source.args["joins"][0])


def _leave_nulls(tree: exp.Expr, dialect: Dialect) -> None:
    """Orders as each warehouse does by itself: what the views order by is never null."""
    ordering = sqlglot.Dialect.get_or_raise(dialect.name).NULL_ORDERING
    are_small, is_last = ordering == "nulls_are_small", ordering == "nulls_are_last"
    for ordered in tree.find_all(exp.Ordered):
        ordered.set("nulls_first", not is_last and are_small != bool(ordered.args.get("desc")))


def _counted(node: exp.Expr) -> exp.Expr:
    """A count in place of EXISTS: Snowflake knows correlated subqueries in OR that are aggregates alone."""
    if not isinstance(node, exp.Exists):
        return node
    query = node.this.select(exp.Count(this=exp.Star()), append=False)
    return exp.GT(this=exp.Subquery(this=query), expression=exp.Literal.number(0))


def _full_name(table: exp.Table, parts: tuple[str, ...]) -> exp.Table:
    *before, last = (exp.to_identifier(part, quoted=True) for part in parts)
    named = exp.Table(this=last, **dict(zip(("db", "catalog"), reversed(before), strict=False)))
    named.set("alias", table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name)))
    named.set("joins", table.args.get("joins"))
    return named


def _fold(tree: exp.Expr) -> None:
    """Upper case, as Snowflake stores names; those of tables are given as it stores them."""
    for identifier in tree.find_all(exp.Identifier):
        if not isinstance(identifier.parent, exp.Table):
            identifier.set("this", identifier.name.upper())
