"""What a warehouse's SQL says for the functions that only the views have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class JsonFields:
    """What `json_fields(x) AS field(name, value)` becomes; `{x}` is the JSON and `{field}` the alias."""

    source: str
    name: str
    value: str


@dataclass(frozen=True)
class Dialect:
    """A warehouse's SQL. `name` is sqlglot's name for it, and that of the compiled views.

    `json_text` takes `{0}`, `seconds_between` takes `{0}` and `{1}`. `carries_mark` says that a view's query tells
    what it was made from; `names_catalogue`, that names in a view begin with the catalogue; `counts_for_exists`, that
    correlated subqueries in OR have to be counts; `has_upper_case_names`, that names are stored so.
    """

    name: str
    json_text: str
    seconds_between: str
    json_fields: JsonFields
    carries_mark: bool = True
    names_catalogue: bool = False
    counts_for_exists: bool = False
    has_upper_case_names: bool = False
