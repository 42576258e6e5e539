"""Loads by the command line, in processes that can be hurt, and what must have come of them in the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.contract.place import Landing, Reference, comparable, differences
from tests.faults.launcher import Command, Launcher
from weave_eval import LoadOptions, verify_project
from weave_eval.cli.exit_codes import DONE

PROJECT = "acme/hurt"


@dataclass
class Loads:
    """Loads of the project by the command line into one place."""

    landing: Landing
    starter: Launcher

    project = PROJECT

    @property
    def temporary(self) -> Path:
        return self.landing.folder / "temporary"

    def start(self, **more: str) -> Command:
        """Starts a load, with more environment variables."""
        place = self.landing
        environment = {
            **place.warehouse.environment,
            **place.server.environment(),
            "DLT_DATA_DIR": str(place.folder / "dlt"),
            "HOME": str(place.folder),
            "TMPDIR": str(self.temporary),
            "SOURCES__WEAVE_EVAL__PACKAGE_RUNS": "2",
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            **more,
        }
        arguments = ("load", "--project", PROJECT, "--destination", place.warehouse.name, "--dataset", place.dataset)
        return self.starter.start(*arguments, "--wait", "60", environment=environment)

    def finish(self, **more: str) -> float:
        """A load that nobody disturbs; gives the processor time that it took."""
        command = self.start(**more)
        assert command.exit_code() == DONE, command.output.read_text()
        return command.seconds_used()

    def kill_after(self, seconds: float) -> str:
        """A load that is killed once it has used so much processor time; says what it was at."""
        return self._stage() if self.start().kill_after(seconds) else "had ended"

    def _stage(self) -> str:
        """The step of dlt that was under way, by the packages that it left behind."""
        folders = list((self.landing.folder / "dlt" / "pipelines").glob("*/weave_eval_*"))
        stages = {"load": "load/normalized/*", "normalize": "normalize/extracted/*", "extract": "normalize/*/*"}
        found = (stage for stage, pattern in stages.items() if any(any(folder.glob(pattern)) for folder in folders))
        return next(found, "between")


def assert_whole(loads: Loads) -> None:
    """The tables are those of a load that was never killed, every run is proven, and nothing was left behind."""
    landing = loads.landing
    reference = Reference(landing.server, PROJECT, landing.folder / "reference")
    reference.folder.mkdir()
    reference.load()
    assert differences(comparable(landing), comparable(reference)) == []
    options = LoadOptions(pipelines_dir=str(landing.folder / "verify"))
    verified = verify_project(landing.settings(), landing.profile, options, is_dry_run=True)
    assert verified.findings.is_clean, verified.findings
    assert list(loads.temporary.iterdir()) == []
