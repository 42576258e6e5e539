"""A stand-in for Snowflake: `fakesnow`'s server in its own process and environment."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import snowflake.connector

from tests.stand_ins.environments import python_of
from tests.stand_ins.server import Server, free_port

DATABASE = "testdb"


@dataclass(frozen=True)
class Snowflake:
    """A running stand-in.

    `url` is `snowflake://user:password@account/database?...`; `address` are the driver's arguments
    that lead to it, which dlt takes in the URL and SQLAlchemy does not.
    """

    url: str
    address: Mapping[str, str | int]
    stop: Callable[[], None]

    @classmethod
    def start(cls) -> Snowflake:
        """Start a server with one empty database; takes about five seconds."""
        root = Path(tempfile.mkdtemp(prefix="weave-eval-snowflake-"))
        port = free_port()
        program = str(Path(__file__).with_name("snowflake_server.py"))
        server = Server.start(
            # -P: this folder's snowflake.py must not hide the package of that name.
            [str(python_of("snowflake")), "-P", program, str(port)],
            log=root / "log",
            is_ready=lambda: _listens(port),
        )
        _create_database(port)

        def stop() -> None:
            server.stop()
            shutil.rmtree(root, ignore_errors=True)

        return cls(f"snowflake://fake:snow@fakesnow/{DATABASE}?warehouse=wh&role=r", _address(port), stop)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _address(port: int) -> dict[str, Any]:
    limits = {"login_timeout": 10, "network_timeout": 60}
    return {"host": "127.0.0.1", "port": port, "protocol": "http", **limits}


def _create_database(port: int) -> None:
    with snowflake.connector.connect(user="fake", password="snow", account="fakesnow", **_address(port)) as connection:
        connection.cursor().execute(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
