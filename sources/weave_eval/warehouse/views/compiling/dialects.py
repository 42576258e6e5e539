"""The SQL of the views in each warehouse's own words.

Views are written in DuckDB's SQL, with four functions that no warehouse has: `json_text(x)`, the text of a JSON value;
`seconds_between(a, b)` and `days_between(a, b)`, with fractions; and, joined to a table, `json_fields(x) AS f(name,
value)`: a row for each field of a JSON object, its value as text (texts bare), and none where `x` is no object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import sqlglot
from sqlglot import Dialect, exp

Path = Callable[[str], tuple[str, ...]]
"""Gives the full name of a table or view in its parts, as the warehouse stores them."""

MARK = "made_by_weave_eval"
"""A CTE that every view carries, which tells a view made here and what it was made from."""

_SECONDS = {
    "duckdb": "(EPOCH_US({1}) - EPOCH_US({0})) / CAST(1000000 AS DOUBLE)",
    "postgres": "CAST(EXTRACT(EPOCH FROM {1} - {0}) AS DOUBLE PRECISION)",
    "bigquery": "TIMESTAMP_DIFF({1}, {0}, MICROSECOND) / CAST(1000000 AS FLOAT64)",
    "snowflake": "DATEDIFF(MICROSECOND, {0}, {1}) / CAST(1000000 AS DOUBLE)",
}
_FUNCTIONS: dict[str, dict[str, str]] = {
    "json_text": {
        "duckdb": "CAST({0} AS VARCHAR)",
        "postgres": "CAST({0} AS TEXT)",
        "bigquery": "NULLIF(TO_JSON_STRING({0}), 'null')",  # it calls NULL so too
        "snowflake": "TO_JSON({0})",
    },
    "seconds_between": _SECONDS,
    "days_between": {warehouse: f"({seconds}) / 86400" for warehouse, seconds in _SECONDS.items()},
}


@dataclass(frozen=True)
class _Fields:
    """What `json_fields(x) AS field(name, value)` becomes; `{x}` is the JSON and `{field}` the alias."""

    source: str
    name: str
    value: str


_BIGQUERY_NAME = """CASE WHEN STARTS_WITH({field}, '"') THEN JSON_VALUE({field}, '$') ELSE {field} END"""
_FIELDS = {
    "duckdb": _Fields(
        "JSON_EACH(CASE WHEN JSON_TYPE({x}) = 'OBJECT' THEN {x} END) AS {field}",
        "{field}.key",
        "({field}.value ->> '$')",
    ),
    "postgres": _Fields(
        "LATERAL JSONB_EACH_TEXT(CASE WHEN JSONB_TYPEOF({x}) = 'object' THEN {x} END) AS {field}(name, value)",
        "{field}.name",
        "{field}.value",
    ),
    # JSON_KEYS puts names with special characters in quotes.
    "bigquery": _Fields(
        "UNNEST(JSON_KEYS({x}, 1)) AS {field}",
        _BIGQUERY_NAME,
        f"COALESCE(JSON_VALUE({{x}}[{_BIGQUERY_NAME}]), NULLIF(TO_JSON_STRING({{x}}[{_BIGQUERY_NAME}]), 'null'))",
    ),
    "snowflake": _Fields(
        "LATERAL FLATTEN(INPUT => CASE WHEN IS_OBJECT({x}) THEN {x} END) AS {field}",
        "{field}.key",
        "CAST({field}.value AS VARCHAR)",
    ),
}


@lru_cache(maxsize=128)
def _parsed(sql: str) -> exp.Expr:
    return sqlglot.parse_one(sql, read="duckdb")


def relations(sql: str) -> list[str]:
    """Names of the tables and views that a view reads, in the order in which it names them."""
    tree = _parsed(sql)
    known = {cte.alias for cte in tree.find_all(exp.CTE)}
    named = [table.name for table in tree.find_all(exp.Table, bfs=False) if isinstance(table.this, exp.Identifier)]
    return [name for name in dict.fromkeys(named) if name not in known]


def in_words_of(warehouse: str, sql: str, path: Path, mark: str = "") -> str:
    """A view's query as the warehouse writes it, on tables with their full names, with `mark` in it if given."""
    tree = _parsed(sql).copy()
    read = set(relations(sql))
    _leave_nulls(tree, warehouse)
    if warehouse == "snowflake":
        tree = tree.transform(_counted)
    _take_fields(tree, warehouse)
    tree = tree.transform(_with_function, warehouse)
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier) and table.name in read:
            table.replace(_full_name(table, path(table.name)))
    if warehouse == "snowflake":
        _fold(tree)
    if mark and isinstance(tree, exp.Select):
        tree = tree.with_(MARK, as_=f"SELECT '{mark}' AS definition", dialect="duckdb")
    return tree.sql(dialect=warehouse, identify=True, comments=False, pretty=True)


def _with_function(node: exp.Expr, warehouse: str) -> exp.Expr:
    """The warehouse's expression in place of one of our functions."""
    template = _FUNCTIONS.get(node.name.lower()) if isinstance(node, exp.Anonymous) else None
    if not template:
        return node
    arguments = [argument.transform(_with_function, warehouse).sql(warehouse) for argument in node.expressions]
    return exp.paren(sqlglot.parse_one(template[warehouse].format(*arguments), read=warehouse))


def _take_fields(tree: exp.Expr, warehouse: str) -> None:
    """Puts the warehouse's own way of taking JSON objects apart in place of `json_fields`."""
    for join in list(tree.find_all(exp.Join)):
        call = join.this.this
        query = join.parent_select
        if not (query and isinstance(call, exp.Anonymous) and call.name.lower() == "json_fields"):
            continue
        words, given = _FIELDS[warehouse], {"field": join.this.alias, "x": call.expressions[0].sql(warehouse)}
        for column in [column for column in query.find_all(exp.Column) if column.table == given["field"]]:
            template = words.name if column.name == "name" else words.value
            column.replace(sqlglot.parse_one(template.format(**given), read=warehouse))
        source = sqlglot.parse_one(f"SELECT 1 FROM t CROSS JOIN {words.source.format(**given)}", read=warehouse)
        join.replace(source.args["joins"][0])


def _leave_nulls(tree: exp.Expr, warehouse: str) -> None:
    """Orders as each warehouse does by itself: what the views order by is never null."""
    are_small = Dialect.get_or_raise(warehouse).NULL_ORDERING == "nulls_are_small"
    is_last = Dialect.get_or_raise(warehouse).NULL_ORDERING == "nulls_are_last"
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
