"""What a warehouse's catalogue tells of the views: which are there, and what they were made from.

Each view carries a mark, in its query or (in BigQuery) its labels: the dataset that it shows, and a hash of what it was
made from. So one query tells whether anything is to be made, and which views were made here: no other is ever
replaced or dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dlt.destinations.exceptions import DatabaseTerminalException
from dlt.destinations.sql_client import SqlClientBase

from ..profiles import Profile
from .model import fingerprint, view_names

_QUERIES = {
    "duckdb": """
SELECT table_name, NULL FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = %s
UNION ALL SELECT view_name, sql FROM duckdb_views() WHERE database_name = current_database() AND schema_name = %s""",
    "postgres": """
SELECT tablename, NULL FROM pg_tables WHERE schemaname = %s
UNION ALL SELECT viewname, definition FROM pg_views WHERE schemaname = %s""",
    "snowflake": """
SELECT table_name, NULL FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema = %s
UNION ALL SELECT table_name, COALESCE(view_definition, '') FROM information_schema.views WHERE table_schema = %s""",
}
_LONGEST_LABEL = 63  # of BigQuery
_MARK = re.compile(r"weave_eval (\w+) ([0-9a-f]{16})")


DATASET_LABEL = "weave_eval_dataset"
FINGERPRINT_LABEL = "weave_eval_fingerprint"
"""Labels that are the mark in BigQuery."""


class Mark(NamedTuple):
    """What a view carries: the dataset that it shows, and a hash of what it was made from."""

    dataset: str
    fingerprint: str

    def __str__(self) -> str:
        return f"weave_eval {self.dataset} {self.fingerprint}"


@dataclass
class Catalogue:
    """The tables of a dataset, and all views of the dataset that holds the views, with the mark if they have one.

    `is_shared` says that the views have a dataset of their own, which may hold those of other datasets too.
    """

    wanted: Mark
    is_shared: bool
    tables: set[str] = field(default_factory=set)
    marks: dict[str, Mark | None] = field(default_factory=dict)

    @property
    def is_up_to_date(self) -> bool:
        """Whether every view is as it would be made now."""
        return not self.former and all(self.marks.get(name) == self.wanted for name in view_names())

    @property
    def ours(self) -> list[str]:
        """Views that show this dataset and were made here; beside the tables, also those of before it was renamed."""
        marks = [(name, mark) for name, mark in self.marks.items() if mark]
        return [name for name, mark in marks if mark.dataset == self.wanted.dataset or not self.is_shared]

    @property
    def former(self) -> list[str]:
        """Those of them that are no longer declared."""
        return sorted(set(self.ours) - set(view_names()))

    @property
    def foreign(self) -> list[str]:
        """Views that were not made here, or show another dataset, and have the name of one of ours."""
        return sorted((set(self.marks) - set(self.ours)) & set(view_names()))


def catalogue(sql: SqlClientBase[Any], profile: Profile) -> Catalogue:
    """What is there: one query, or in BigQuery one free request a dataset."""
    found = Catalogue(
        Mark(profile.dataset[:_LONGEST_LABEL], fingerprint()), profile.dataset_of_views != profile.dataset
    )
    if profile.type == "bigquery":
        _list_bigquery(sql, profile, found)
        return found
    paths = [sql.make_qualified_table_name_path(None, quote=False, dataset_name=name) for name in _datasets(profile)]
    for name, definition in sql.execute_sql(_QUERIES[profile.type], *(path[-1] for path in paths)) or ():
        if definition is None:
            found.tables.add(name.lower())
        else:
            match = _MARK.search(definition)
            found.marks[name.lower()] = Mark(match[1], match[2]) if match else None
    return found


def _datasets(profile: Profile) -> tuple[str, str]:
    return profile.dataset, profile.dataset_of_views


def _list_bigquery(sql: SqlClientBase[Any], profile: Profile, found: Catalogue) -> None:
    from google.api_core.exceptions import GoogleAPICallError, NotFound  # noqa: PLC0415 - an extra

    for dataset in dict.fromkeys(_datasets(profile)):
        name = ".".join(sql.make_qualified_table_name_path(None, quote=False, dataset_name=dataset))
        try:
            for item in sql.native_connection.list_tables(name):
                if item.table_type == "VIEW" and dataset == profile.dataset_of_views:
                    found.marks[item.table_id] = _labelled(item.labels)
                elif item.table_type == "TABLE" and dataset == profile.dataset:
                    found.tables.add(item.table_id)
        except NotFound:
            continue  # the first load makes it
        except GoogleAPICallError as error:
            raise DatabaseTerminalException(error) from error


def _labelled(labels: dict[str, str]) -> Mark | None:
    dataset = labels.get(DATASET_LABEL)
    return Mark(dataset, labels.get(FINGERPRINT_LABEL, "")) if dataset else None
