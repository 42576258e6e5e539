"""A question in SQL: one SELECT, whose bare table names mean those of the dataset."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import traverse_scope

from ..errors import SettingsError
from ..warehouse.base import Warehouse

_WRITING = (exp.DML, exp.DDL, exp.Into, exp.Command, exp.Lock)
_ONLY = "Only one SELECT statement can be exported"


def select_statement(sql: str, warehouse: Warehouse, dataset_of: Callable[[str], str]) -> str:
    """The statement as it was written, with the dataset of its name put before each table that names none.

    Raises `SettingsError` for anything but one statement that only reads.
    """
    statement = _parsed(sql, warehouse)
    for start, name in sorted(_bare_tables(statement), reverse=True):
        sql = f"{sql[:start]}{warehouse.quoted_name(dataset_of(name))}.{sql[start:]}"
    return sql


def _parsed(sql: str, warehouse: Warehouse) -> exp.Query:
    try:
        parsed = sqlglot.parse(sql, read=warehouse.dialect.name if warehouse.dialect else None)
    except SqlglotError as error:
        reason = re.sub(r"\x1b\[\d+m", "", " ".join(str(error).split()))
        raise SettingsError(f"The query cannot be read as {warehouse.type} SQL: {reason}") from None
    statements = [one for one in parsed if one and not isinstance(one, exp.Semicolon)]
    if len(statements) != 1:
        raise SettingsError(f"{_ONLY}; the query has {len(statements)}.")
    (statement,) = statements
    if not isinstance(statement, exp.Query):
        raise SettingsError(f"{_ONLY}; the query is {_kind(statement)}.")
    if found := next(statement.find_all(*_WRITING), None):
        raise SettingsError(f"{_ONLY} that changes nothing; the query has {_kind(found)}.")
    return statement


def _kind(found: exp.Expr) -> str:
    return f"a statement of the kind {type(found).__name__.upper()}"


def _bare_tables(statement: exp.Query) -> Iterator[tuple[int, str]]:
    """Tables that name no dataset and are not part of the query (WITH): where their names stand, and the names."""
    for scope in traverse_scope(statement):
        for table in scope.tables:
            name = table.this
            if isinstance(name, exp.Identifier) and not table.db and table.name not in scope.cte_sources:
                yield int(name.meta["start"]), table.name
