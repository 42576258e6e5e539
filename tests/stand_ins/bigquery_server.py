"""Runs inside the stand-in's own environment: `bqemulator`, after the DuckDB extension it needs is in place.

Added is that lists of tables tell their labels.

Usage: `python bigquery_server.py REST_PORT GRPC_PORT PROJECT`.
"""

# mypy: disable-error-code="import-not-found"
from __future__ import annotations

import os
import sys
from pathlib import Path

import bqemulator.cli
from bqemulator.api.routes import tables
from duckdb_extensions import import_extension
from filelock import FileLock

_list_item = tables._table_to_list_item


def install_extension(home: Path) -> None:
    """Unpack the packaged `spatial` extension under `home`, where DuckDB looks for it."""
    with FileLock(home / "extension.lock"):
        if not any(home.glob(".duckdb/extensions/*/*/spatial.duckdb_extension")):
            import_extension("spatial")


def main(rest_port: str, grpc_port: str, project: str) -> None:
    """Become the emulator."""
    install_extension(Path(os.environ["HOME"]))
    tables._table_to_list_item = lambda table: {**_list_item(table), "labels": table.labels}
    ports = ("--rest-port", rest_port, "--grpc-port", grpc_port)
    sys.argv = ["bqemulator", "start", *ports, "--project", project, "--log-level", "warning"]
    bqemulator.cli.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
