"""Empty places to load to, one for each measurement."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import create_engine, text

from tests.checkout import CHECKOUT
from tests.stand_ins.postgres import Postgres


@dataclass(frozen=True)
class Place:
    """Where a program works and loads to: `folder` is its home, `address` a DuckDB file or the URL of a Postgres."""

    folder: Path
    address: str
    environment: Mapping[str, str]


class Destination(ABC):
    """A kind of warehouse."""

    name: str

    @contextmanager
    def place(self) -> Iterator[Place]:
        """An empty place, gone afterwards."""
        with TemporaryDirectory(prefix="weave-eval-bench-") as folder, self._address(Path(folder)) as address:
            environment = {
                "HOME": folder,
                "DLT_DATA_DIR": str(Path(folder, "dlt")),
                "WEAVE_EVAL_DESTINATIONS": str(CHECKOUT / "destinations.toml"),
                f"DESTINATION__{self.name.upper()}__CREDENTIALS": address,
            }
            yield Place(Path(folder), address, environment)

    @abstractmethod
    @contextmanager
    def _address(self, folder: Path) -> Iterator[str]: ...

    def cpu_seconds(self) -> float:
        """What a server has spent so far."""
        return 0.0

    def stop(self) -> None:
        """Stops the server, if there is one."""
        return


class DuckDb(Destination):
    """DuckDB files; the program that loads does the work."""

    name = "duckdb"

    @contextmanager
    def _address(self, folder: Path) -> Iterator[str]:
        yield str(folder / "warehouse.duckdb")


class PostgresServer(Destination):
    """Databases of a real Postgres."""

    name = "postgres"

    def __init__(self) -> None:
        self._server = Postgres.start()
        self._engine = create_engine(
            re.sub(r"^postgres(ql)?://", "postgresql+psycopg2://", self._server.url), isolation_level="AUTOCOMMIT"
        )
        self._numbers = count(1)
        self._process = _parent(self._execute("SELECT pg_backend_pid()"))

    @contextmanager
    def _address(self, folder: Path) -> Iterator[str]:  # noqa: ARG002
        name = f"bench_{os.getpid()}_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name}")
        try:
            yield re.sub(r"/[^/]*$", f"/{name}", self._server.url)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, sql: str) -> int:
        with self._engine.connect() as connection:
            found = connection.execute(text(sql))
            return int(found.scalar_one()) if found.returns_rows else 0

    def cpu_seconds(self) -> float:
        """What the server's processes have spent, those that ended and those that live; 0 for one elsewhere."""
        if self._process is None:
            return 0.0
        found = [_stat(path.name) for path in Path("/proc").glob("[0-9]*")]
        live = [stat for stat in found if stat and stat[1] == str(self._process)]
        server = _stat(str(self._process)) or []
        ticks = sum(int(stat[11]) + int(stat[12]) for stat in live) + sum(map(int, server[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self._engine.dispose()
        self._server.stop()


def _stat(process: str) -> list[str] | None:
    """Fields of `/proc/PID/stat` from the third on: state, parent, ..., utime, stime, cutime, cstime at 11 to 14."""
    with suppress(OSError):
        return Path("/proc", process, "stat").read_text().rpartition(")")[2].split()
    return None


def _parent(process: int) -> int | None:
    stat = _stat(str(process))
    return int(stat[1]) if stat else None


def destination(name: str) -> Destination:
    """The kind of that name, with its server started."""
    return {"duckdb": DuckDb, "postgres": PostgresServer}[name]()
