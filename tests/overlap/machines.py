"""Commands in processes of their own, on machines that have nothing in common but the warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.contract.place import Landing, Reference, comparable, differences
from tests.faults.launcher import Command, Launcher
from weave_eval.cli.exit_codes import DONE

PROJECT = "acme/overlap"


@dataclass
class Machines:
    """Where commands run; each machine has a home with locks and working folders of its own."""

    landing: Landing
    starter: Launcher
    fresh: int = 0

    def start(self, *arguments: str, machine: str = "one", **more: str) -> Command:
        """Starts a command on a machine, with the place as its destination."""
        place = self.landing
        home = place.folder / machine
        home.mkdir(exist_ok=True)
        environment = {
            **place.warehouse.environment,
            **place.server.environment(),
            "DLT_DATA_DIR": str(home),
            "HOME": str(home),
            "SOURCES__WEAVE_EVAL__PACKAGE_RUNS": "2",
            "SOURCES__WEAVE_EVAL__DELETED_RUNS": "remove",
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            **more,
        }
        destination = ("--destination", place.warehouse.name, "--dataset", place.dataset)
        return self.starter.start(*arguments, *destination, environment=environment)

    def load(self, *more: str, project: str = PROJECT, machine: str = "one") -> Command:
        return self.start("load", "--project", project, *more, machine=machine)

    def done(self, command: Command) -> str:
        """What a command said that ended well."""
        code = command.exit_code()
        assert code == DONE, command.output.read_text()
        return command.output.read_text()

    def assert_exact(self, *projects: str) -> None:
        """Each project's rows are those of a DuckDB file that it alone is loaded into."""
        tables = comparable(self.landing)
        for project in projects or (PROJECT,):
            self.fresh += 1
            (folder := Path(self.landing.folder, f"fresh-{self.fresh}")).mkdir()
            alone = Reference(self.landing.server, project, folder)
            alone.load()
            found = {name: [row for row in rows if row["project_id"] == project] for name, rows in tables.items()}
            assert differences(found, comparable(alone)) == []
