"""The crontab, run as cron runs it: `sh -c`, cron's few variables, and a mail for whatever is printed."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.checkout import CHECKOUT
from tests.processes import wait_for
from tests.weave_server.process import KEY, WeaveServer

CRONTAB = CHECKOUT / "pipelines" / "cron" / "crontab"
VARIABLE = re.compile(r"(\w+)=(.*)")
JOB = re.compile(r"((?:\S+\s+){5})(\S.*)")
PROJECT = "acme/support-bot"

CONFIG = """
[sources.weave_eval]
projects = [{projects}]
base_url = "{url}"
default_destination = "evals"

[runtime]
dlthub_telemetry = false
"""
DESTINATIONS = """
[evals]
type = "duckdb"
credentials = "{state}/evals.duckdb"
"""


class Cron:
    """A machine with the crontab: its folders are below `folder`, its programs those of the tests."""

    def __init__(self, folder: Path, server: WeaveServer):
        self.etc, self.state = folder / "etc", folder / "state"
        (self.etc / ".dlt").mkdir(parents=True)
        self.state.mkdir()
        self._server = server
        text = CRONTAB.read_text(encoding="utf-8")
        programs = str(Path(sys.executable).parent)
        for place, ours in {
            "/opt/weave-eval/.venv/bin": programs,
            "/etc/weave-eval": str(self.etc),
            "/var/lib/weave-eval": str(self.state),
        }.items():
            assert place in text
            text = text.replace(place, ours)
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        self.variables = {match[1]: match[2] for line in lines if (match := VARIABLE.fullmatch(line))}
        self.jobs = [(match[1], match[2]) for line in lines if (match := JOB.fullmatch(line))]
        assert len(self.variables) + len(self.jobs) == len(lines)
        self.configure(PROJECT)

    def configure(self, *projects: str) -> None:
        names = ", ".join(f'"{project}"' for project in projects)
        (self.etc / ".dlt" / "config.toml").write_text(CONFIG.format(projects=names, url=self._server.url))
        (self.etc / ".dlt" / "secrets.toml").write_text(f'[sources.weave_eval]\napi_key = "{KEY}"\n')
        (self.etc / "destinations.toml").write_text(DESTINATIONS.format(state=self.state))

    def command(self, name: str) -> str:
        (found,) = [command for _, command in self.jobs if f"weave-eval {name} " in command]
        return found

    def start(self, command: str) -> subprocess.Popen[str]:
        home = {"HOME": str(self.state), "LOGNAME": "loader", "SHELL": "/bin/sh"}
        return subprocess.Popen(
            ["/bin/sh", "-c", command],
            env={**home, **self.variables},
            cwd=self.state,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        """Exit code, and what cron would send by mail."""
        process = self.start(command)
        mail, _ = process.communicate(timeout=120)
        return process.returncode, mail

    def runs(self) -> int:
        with duckdb.connect(str(self.state / "evals.duckdb"), read_only=True) as connection:
            (count,) = connection.execute("SELECT count(*) FROM weave.evaluation_runs").fetchone() or (0,)
        return int(count)


@pytest.fixture
def cron(server: WeaveServer, tmp_path: Path) -> Cron:
    server.bulk(PROJECT, runs=2, rows=3)
    return Cron(tmp_path, server)


def test_times_are_five_fields_and_a_command_has_no_percent_sign(cron: Cron) -> None:
    """A percent sign would be the end of the line, for cron."""
    assert [len(times.split()) for times, _ in cron.jobs] == [5, 5]
    assert not any("%" in command for _, command in cron.jobs)


def test_no_mail_when_all_is_well(cron: Cron) -> None:
    assert cron.run(cron.command("load")) == (0, "")
    assert cron.runs() == 2
    assert cron.run(cron.command("load")) == (0, "")
    assert cron.run(cron.command("verify")) == (0, "")


def test_an_overlap_leaves_with_75_and_one_line_that_names_the_holder(cron: Cron, server: WeaveServer) -> None:
    server.add_faults({"kind": "slow", "delay": 8, "match": "eval_results", "times": 1})
    first = cron.start(cron.command("load"))
    wait_for(lambda: server.requests("eval_results"))
    code, mail = cron.run(cron.command("load").replace("--wait 600", "--wait 1"))
    assert code == 75
    assert re.fullmatch(
        rf"error: Another load is running \(process {first.pid} on {re.escape(platform.node())}, "
        rf"loading {PROJECT}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC\)\. .* --wait\.\n",
        mail,
    )
    mail, _ = first.communicate(timeout=60)
    assert (first.returncode, mail, cron.runs()) == (0, "", 2)


@pytest.mark.slow
def test_one_line_for_a_project_that_failed_and_the_others_are_loaded(cron: Cron) -> None:
    cron.configure("forbidden-team/x", PROJECT)
    code, mail = cron.run(cron.command("load"))
    assert (code, len(mail.splitlines()), cron.runs()) == (1, 1, 2)
    assert mail.startswith("error: ")
    assert "forbidden-team/x" in mail
    assert KEY not in mail


@pytest.mark.slow
def test_a_mistake_in_the_configuration_ends_with_2_and_one_line(cron: Cron) -> None:
    config = cron.etc / ".dlt" / "config.toml"
    for wrong, words in (
        ("lookback_day = 3", "lookback_day"),
        ('privcy = ["drop trials.output"]', "privacy"),
        ("[", "config.toml"),
    ):
        cron.configure(PROJECT)
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace("base_url", f"{wrong}\nbase_url"), encoding="utf-8")
        code, mail = cron.run(cron.command("load"))
        assert (code, len(mail.splitlines())) == (2, 1), mail
        assert words in mail
