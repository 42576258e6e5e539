"""A project that is loaded into a place, and what can be broken between two loads of it."""

from __future__ import annotations

import base64
import json
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import dlt
import pytest

from tests.contract.place import Landing, Reference, comparable, differences
from tests.tables_of import Tables
from weave_eval.cli.program import main
from weave_eval.loading.pipelines import pipeline_name, pipelines_folder

PROJECT = "acme/broken"
State = dict[str, Any]


class KilledError(BaseException):
    """Stands for `kill -9`: nothing that handles exceptions sees it."""


@dataclass
class World:
    """The project as it was loaded first, by machines that each have a folder of their own."""

    landing: Landing
    home: Path
    expected: Tables
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    machine: str = "machine"
    said: str = field(default="", init=False)

    @property
    def working(self) -> Path:
        """The pipeline's working folder."""
        pipelines = str(self.home / self.machine / "pipelines")
        return pipelines_folder(self.landing.profile.location(), pipelines) / pipeline_name(PROJECT)

    @property
    def is_postgres(self) -> bool:
        return self.landing.warehouse.name == "postgres"

    def table(self, name: str) -> str:
        return self.landing.warehouse.table(self.landing.dataset, name)

    def execute(self, sql: str) -> None:
        self.landing.warehouse.execute(sql)

    def drop_table(self, *names: str) -> None:
        for name in names:
            self.execute(f"DROP TABLE {self.table(name)}{' CASCADE' if self.is_postgres else ''}")

    def command(self, *arguments: str, project: str = PROJECT) -> int:
        """Runs a command on this machine; what it prints is in `said`."""
        self.monkeypatch.setenv("DLT_DATA_DIR", str(self.home / self.machine))
        place = self.landing
        words = ["--project", project, "--destination", place.warehouse.name, "--dataset", place.dataset]
        code = main([arguments[0], *words, *arguments[1:]])
        self.said = "".join(self.capsys.readouterr())
        assert "Traceback" not in self.said
        return code

    def killed_load(self, step: str = "load") -> None:
        """A load that ends before a step of dlt."""

        def end(*_: object, **__: object) -> None:
            raise KilledError

        with self.monkeypatch.context() as patch:
            patch.setattr(dlt.Pipeline, step, end)
            with pytest.raises(KilledError):
                self.command("load")

    def forget_folder(self) -> None:
        shutil.rmtree(self.home / self.machine)

    def differences(self, expected: Tables | None = None) -> list[tuple[Any, ...]]:
        """Where the tables differ from those of a first load into an empty place."""
        return differences(comparable(self.landing), expected or self.expected)

    def fresh(self) -> Tables:
        """The tables of a first load of what Weave has now."""
        folder = self.home / f"fresh-{uuid4().hex}"
        folder.mkdir()
        place = Reference(self.landing.server, PROJECT, folder)
        place.load()
        return comparable(place)

    def state(self) -> State:
        """The state as the warehouse has it."""
        query = f"SELECT state FROM {self.table('_dlt_pipeline_state')} ORDER BY _dlt_load_id DESC LIMIT 1"
        ((text,),) = self.landing.warehouse.rows(query)
        found: State = json.loads(zlib.decompress(base64.b64decode(text)))
        return found

    def write_state(self, text: str) -> None:
        self.execute(f"UPDATE {self.table('_dlt_pipeline_state')} SET state = '{text}'")

    def change_state(self, change: Callable[[State], Any]) -> None:
        """Changes the state in the warehouse, and the one of this machine in the same way, its hash included."""
        state = self.state()
        state = change(state) or state
        self.write_state(packed(state))


def packed(value: Any) -> str:
    """A value as dlt stores it."""
    return base64.b64encode(zlib.compress(json.dumps(value).encode())).decode()
