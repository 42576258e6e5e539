"""The programs that are measured, by name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.measurement import Measurement, measure
from tests.benchmarks.places import Destination, Place
from tests.benchmarks.project import PROJECT_ID
from tests.benchmarks.running_api import RunningApi

WEAVE_EVAL = str(Path(sys.executable).with_name("weave-eval"))


@dataclass(frozen=True)
class Program:
    """A program: what it is, the destinations it knows, and its command for a URL and a place."""

    name: str
    what: str
    command: Callable[[str, Place], Sequence[str]]
    destinations: frozenset[str] = frozenset({"duckdb", "postgres"})
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, api: RunningApi, destination: Destination, place: Place) -> Measurement:
        """Runs and measures it."""
        environment = {
            **place.environment,
            **self.environment,
            "WF_TRACE_SERVER_URL": api.url,
            "WANDB_API_KEY": "key",
            "SOURCES__WEAVE_EVAL__CONFIRM_SERVER": api.url,  # each server has another port
        }
        command = self.command(api.url, place)
        return measure(command, environment, place.folder, api, destination.cpu_seconds)


def _module(name: str) -> Callable[[str, Place], Sequence[str]]:
    return lambda url, place: [sys.executable, "-m", f"tests.benchmarks.contenders.{name}", url, place.address]


def _load(_: str, place: Place) -> Sequence[str]:
    kind = "postgres" if place.address.startswith("postgresql://") else "duckdb"
    return [WEAVE_EVAL, "load", "--project", PROJECT_ID, "--destination", kind, "--json"]


OURS = Program("ours", "weave-eval load", _load)
FLOOR = Program("floor", "download, parse, columns, bulk insert", _module("floor"))
BARE = Program("bare", "download alone", _module("bare"))
SNIPPETS = Program("snippets", "requests, pandas, DuckDB: tables", _module("snippets"), frozenset({"duckdb"}))
NORMALIZE = Program("normalize", "requests, json_normalize, DuckDB", _module("normalize"), frozenset({"duckdb"}))
REST_API = Program("rest_api", "dlt's rest_api source", _module("rest_api"))

PROGRAMS = {program.name: program for program in (OURS, FLOOR, BARE, SNIPPETS, NORMALIZE, REST_API)}
