"""A dataset of each warehouse with every hostile text in it, and the command line to ask it."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from tests.checkout import CHECKOUT
from tests.contract.conftest import module_warehouse
from tests.contract.place import Landing
from tests.hostile.project import PROJECT, fill
from tests.stand_ins.warehouse import Warehouse
from tests.tables_of import Tables
from tests.weave_server.process import WeaveServer
from weave_eval.cli.program import main

__all__ = ["module_warehouse"]

OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What a terminal obeys instead of showing it; lines end with a line feed."""


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


def run(*arguments: str) -> Said:
    """Runs the command line; whatever it prints can be encoded."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return Said(code, *texts)


@dataclass(frozen=True)
class Loaded:
    """A dataset with the project in it, and what the load said."""

    landing: Landing
    said: Said

    @property
    def warehouse(self) -> str:
        return self.landing.warehouse.name

    @cached_property
    def tables(self) -> Tables:
        return self.landing.tables()

    def run(self, command: str, *arguments: str) -> Said:
        """Runs a command on the dataset."""
        return run(command, *arguments, "--destination", self.warehouse, "--dataset", self.landing.dataset)


def fresh(server: WeaveServer) -> WeaveServer:
    """The server without data, faults or changed settings, but for how it writes what JSON cannot hold."""
    server.clear_faults()
    server.configure()
    server.reset()
    server.configure(nan="literal")  # else it fails on lone surrogates
    return server


def load_into(warehouse: Warehouse, server: WeaveServer, project: str, folder: Path) -> Iterator[Loaded]:
    """A new dataset, loaded by the command line and dropped when it was used."""
    landing = Landing(server, project, folder, warehouse, warehouse.new_dataset())
    named = ("--destination", warehouse.name, "--dataset", landing.dataset)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEAVE_EVAL_DESTINATIONS", str(CHECKOUT / "destinations.toml"))
        for name, value in {**server.environment(), "SOURCES__WEAVE_EVAL__PACKAGE_RUNS": "1000"}.items():
            patch.setenv(name, value)
        yield Loaded(landing, run("load", "--project", project, *named))
    warehouse.drop(landing.dataset)


@pytest.fixture(scope="module")
def loaded(
    module_warehouse: Warehouse, weave_server: WeaveServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Loaded]:
    """The project with every text, in each warehouse."""
    fill(fresh(weave_server))
    yield from load_into(module_warehouse, weave_server, PROJECT, tmp_path_factory.mktemp("landing"))
