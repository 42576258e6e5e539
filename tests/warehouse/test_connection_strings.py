"""Credentials read and write connection strings as dlt's own do through SQLAlchemy."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from dlt.common.configuration.specs import ConnectionStringCredentials
from dlt.common.configuration.specs.exceptions import InvalidConnectionString
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from dlt.destinations.impl.postgres.configuration import PostgresCredentials
from hypothesis import example, given, settings
from hypothesis import strategies as st

from weave_eval.warehouse import duckdb_destination, postgres_destination


class InUtf8(PostgresCredentials):
    """dlt's, with what ours add: the encoding, and no blanks around a URL."""

    def parse_native_representation(self, native_value: Any) -> None:
        super().parse_native_representation(native_value.strip() if isinstance(native_value, str) else native_value)

    def get_query(self) -> dict[str, Any]:
        return {**super().get_query(), "client_encoding": "utf8"}


InUtf8.__name__ = PostgresCredentials.__name__  # errors name the class
PAIRS: list[tuple[type[ConnectionStringCredentials], type[ConnectionStringCredentials]]] = [
    (duckdb_destination.DuckDbCredentials, DuckDbCredentials),
    (postgres_destination.PostgresCredentials, InUtf8),
]
HOSTS = ["localhost", "db.example.com", "10.0.0.1", "[::1]", "[2001:db8::7]", ""]
PARTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def outcome(credentials_class: type[ConnectionStringCredentials], native: Any) -> Any:
    """All that the credentials hold and show, or the error."""
    try:
        made = credentials_class(native)
    except InvalidConnectionString as error:
        return str(error)
    held = {name: made[name] for name in made if name != "conn_pool"}
    return held, made.to_native_representation(), str(made), made.data_location()


@st.composite
def connection_strings(draw: st.DrawFn) -> str:
    """URLs whose parts are quoted, or not."""
    write = draw(st.sampled_from([lambda part: part, lambda part: quote(part, safe="")]))
    user, password, database, key, value = (write(draw(PARTS)) for _ in range(5))
    scheme = draw(st.sampled_from(["duckdb", "postgresql", "postgres", "postgresql+psycopg2"]))
    port = draw(st.sampled_from(["", ":5432", ":no", ":"]))
    query = draw(
        st.sampled_from(["", f"?{key}={value}", f"?{key}={value}&{key}=b", "?connect_timeout=3&sslmode=require"])
    )
    return f"{scheme}://{user}:{password}@{draw(st.sampled_from(HOSTS))}{port}/{database}{query}"


@pytest.mark.parametrize(("ours", "dlts"), PAIRS)
@settings(deadline=None)  # the first of them imports SQLAlchemy
@given(native=connection_strings() | PARTS)
@example(native="postgresql://loader:p%40ss%3A%2Fword%25@localhost:5432/analytics")
@example(native="postgresql://loader:p@ss:w/ord@localhost/analytics")
@example(native="postgresql://löader:pässwörd✓@[::1]:5433/dätä?sslmode=require&connect_timeout=7&client_encoding=utf8")
@example(native="postgresql://loader@localhost/analytics\n")
@example(native="postgresql://localhost/a?options=-csearch_path%3Dx&options=-cb%3Dc")
@example(native="duckdb:///weave_eval.duckdb")
@example(native="duckdb:////var/lib/weave eval.duckdb?read_only=true")
@example(native="weave_eval.duckdb")
@example(native="/var/lib/weave:eval.duckdb")
@example(native=":pipeline:")
@example(native="\0")
def test_connection_strings(
    ours: type[ConnectionStringCredentials], dlts: type[ConnectionStringCredentials], native: str
) -> None:
    try:
        expected = outcome(dlts, native)
    except Exception as error:  # noqa: BLE001 - dlt reads a connect_timeout that is no number so
        with pytest.raises(type(error)):
            outcome(ours, native)
    else:
        assert outcome(ours, native) == expected


@pytest.mark.parametrize(("ours", "dlts"), PAIRS)
@settings(deadline=None)
@given(
    parts=st.fixed_dictionaries(
        {"database": PARTS, "password": PARTS, "username": PARTS, "host": PARTS, "port": st.integers(1, 65535)},
        optional={"query": st.dictionaries(PARTS, PARTS | st.integers() | st.booleans(), max_size=3)},
    )
)
def test_credentials_in_parts(
    ours: type[ConnectionStringCredentials], dlts: type[ConnectionStringCredentials], parts: dict[str, Any]
) -> None:
    assert outcome(ours, parts) == outcome(dlts, parts)


@pytest.mark.parametrize(("ours", "dlts"), PAIRS)
def test_what_is_no_text(ours: type[ConnectionStringCredentials], dlts: type[ConnectionStringCredentials]) -> None:
    assert ours.get_resolvable_fields() == dlts.get_resolvable_fields()
    if ours is not duckdb_destination.DuckDbCredentials:
        assert outcome(ours, 7) == outcome(dlts, 7)


def test_the_password_is_shown_nowhere() -> None:
    shown = postgres_destination.PostgresCredentials("postgresql://loader:hidden@localhost/a?key=hidden")
    assert str(shown) == "postgresql://loader:***@localhost:5432/a"
    with pytest.raises(InvalidConnectionString) as failed:
        postgres_destination.PostgresCredentials("postgresql://loader@localhost:hidden/a")
    assert failed.value.__suppress_context__
