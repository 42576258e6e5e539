"""Names of datasets, tables and columns as each warehouse's SQL wants them."""

from __future__ import annotations

from collections.abc import Sequence


def stored_name(name: str, warehouse: str) -> str:
    """The name as the warehouse stores it: Snowflake in upper case, the others as it is."""
    return name.upper() if warehouse == "snowflake" else name


def quoted_name(name: str, warehouse: str) -> str:
    """The name in quotes, so that words of SQL are names too."""
    quote = "`" if warehouse == "bigquery" else '"'
    return f"{quote}{stored_name(name, warehouse).replace(quote, quote * 2)}{quote}"


def qualified_name(dataset: str, name: str, warehouse: str) -> str:
    """A table or view with its dataset."""
    return f"{quoted_name(dataset, warehouse)}.{quoted_name(name, warehouse)}"


def joined_key(columns: Sequence[str], text_type: str) -> str:
    """SQL for a key of several columns as one text; the lengths of all but the last keep `a, bc` and `ab, c` apart."""
    *first, last = (f"CAST({column} AS {text_type})" for column in columns)
    counted = [f"CAST(LENGTH({text}) AS {text_type}) || ':' || {text}" for text in first]
    return " || ".join([*counted, last])
