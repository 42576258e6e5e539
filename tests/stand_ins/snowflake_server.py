"""Runs inside the stand-in's own environment: `fakesnow`'s server, with what dlt uses and it lacks.

Usage: `python snowflake_server.py PORT`. Added are: several statements in one request, quoted paths in PUT and
COPY, commas between COPY's options, COPY of JSON files by column name, comments on columns and with quotes, and
IS_OBJECT.
"""

# mypy: disable-error-code="import-not-found"
from __future__ import annotations

import re
import sys
import threading
from typing import Any

import fakesnow.copy_into
import fakesnow.cursor
import fakesnow.info_schema
import fakesnow.server
import uvicorn
from sqlglot import TokenType, exp
from sqlglot.dialects.snowflake import Snowflake

MAX_JSON_BYTES = 200_000_000
SUCCESS = "SELECT 'Statement executed successfully.' AS status"
_target = threading.local()
_parse = fakesnow.server.parse_one
_execute = fakesnow.cursor.FakeSnowflakeCursor.execute
_copy_into = fakesnow.copy_into.copy_into
_inserts = fakesnow.copy_into._inserts
_insert_comment = fakesnow.info_schema.insert_table_comment_sql


def split(sql: str) -> list[str]:
    """Return the statements of `sql`, without their semicolons."""
    ends = [t for t in Snowflake.Tokenizer().tokenize(sql) if t.token_type == TokenType.SEMICOLON]
    starts = [0, *(token.end + 1 for token in ends)]
    stops = [*(token.start for token in ends), len(sql)]
    statements = [sql[start:stop] for start, stop in zip(starts, stops, strict=True)]
    return [statement for statement in statements if statement.strip()]


def rewrite(sql: str) -> str:
    """Return a PUT or COPY statement as fakesnow spells it, and any other one without functions that it lacks."""
    if re.match(r"\s*PUT\s", sql, re.IGNORECASE):
        return re.sub(r"'(@[^']+)'", lambda path: re.sub(r'/"([^"]+)"', r"/\1", path[1]), sql)
    if re.match(r"\s*COPY\s", sql, re.IGNORECASE):
        return _rewrite_copy(sql)
    return re.sub(r"\bIS_OBJECT\(([^()]+)\)", r"(JSON_TYPE(\1) = 'OBJECT')", sql)


def _rewrite_copy(sql: str) -> str:
    sql = re.sub(r"FILE_FORMAT\s*=\s*\([^)]*\)", lambda options: options[0].replace(",", " "), sql)
    sql = re.sub(r"MATCH_BY_COLUMN_NAME\s*=\s*'(\w+)'", r"MATCH_BY_COLUMN_NAME=\1", sql)
    return re.sub(r"'@[^']+'", lambda path: re.sub(r'/"([^"]+)"/', r"/\1/", path[0]), sql)


def parse(sql: str, *args: Any, **options: Any) -> Any:
    """Parse the last statement of a request: the one whose result is the answer."""
    return _parse(rewrite(split(sql)[-1]), *args, **options)


def execute(cursor: Any, command: str | exp.Expression, *args: Any, **options: Any) -> Any:
    """Execute each statement of a request, and return the result of the last."""
    if not isinstance(command, str):
        return _execute(cursor, command, *args, **options)
    *first, last = split(command)
    if re.match(r"\s*COMMENT\s+ON\s+COLUMN\s", last, re.IGNORECASE):
        first, last = [*first, last], SUCCESS  # fakesnow carries it out, then fails to describe its result
    for statement in first:
        _execute(cursor, rewrite(statement), *args, **options)
    return _execute(cursor, rewrite(last), *args, **options)


def copy_into(connection: Any, database: Any, schema: Any, command: Any, *args: Any, **options: Any) -> Any:
    """Copy, with the target's columns at hand for `inserts`."""
    table = fakesnow.copy_into._extract_table(command.this)
    _target.columns = fakesnow.copy_into._describe_table(table, connection, database, table.db or schema)
    return _copy_into(connection, database, schema, command, *args, **options)


def inserts(command: Any, params: Any, urls: Any, parquet_info: Any = None) -> Any:
    """Return the statements that load `urls`; JSON files by column name are read by DuckDB itself."""
    by_name = params.match_by_column_name != fakesnow.copy_into.MatchByColumnName.NONE
    if isinstance(params.file_format, fakesnow.copy_into.ReadJSON) and by_name:
        return [_json_insert(command.this, url) for url in urls]
    return _inserts(command, params, urls, parquet_info)


def _json_insert(table: exp.Expression, url: str) -> exp.Expression:
    columns = ", ".join(f"'{column[0].lower()}': '{column[1]}'" for column in _target.columns)
    return exp.maybe_parse(
        f"INSERT INTO {table.sql('duckdb')} BY NAME SELECT * FROM read_json('{url}', "
        f"format='newline_delimited', columns={{{columns}}}, maximum_object_size={MAX_JSON_BYTES})",
        dialect="duckdb",
    )


def insert_comment(catalog: str, schema: str, table: str, comment: str | None) -> str:
    """Return the statement that stores a table's comment, with its quotes doubled."""
    return str(_insert_comment(catalog, schema, table, (comment or "").replace("'", "''")))


def main(port: int) -> None:
    """Serve on a port of the loopback interface until interrupted."""
    fakesnow.server.parse_one = parse
    fakesnow.cursor.FakeSnowflakeCursor.execute = execute
    fakesnow.info_schema.insert_table_comment_sql = insert_comment
    fakesnow.copy_into._inserts = inserts
    fakesnow.copy_into.copy_into = copy_into
    fakesnow.cursor.copy_into = copy_into
    uvicorn.run(fakesnow.server.app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]))
