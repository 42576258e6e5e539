"""The files for systemd, Kubernetes and GitHub, judged by each system's own rules, and what they run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.checkout import CHECKOUT
from tests.weave_server.process import WeaveServer
from weave_eval.cli.exit_codes import BUSY, MISUSED
from weave_eval.warehouse.profiles import profile

PIPELINES = CHECKOUT / "pipelines"
PROGRAMS = Path(sys.executable).parent
WORKFLOW = PIPELINES / "github" / "weave-eval.yml"
CRONJOB = PIPELINES / "kubernetes" / "cronjob.yaml"
DOCKERFILE = PIPELINES / "kubernetes" / "Dockerfile"
PATIENT = ("--wait", "3600")


def output_of(*command: str | Path, **more: Any) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout + done.stderr)


def systemd_analyze(*arguments: str | Path, **more: Any) -> str:
    found = shutil.which("systemd-analyze")
    if not found and not os.environ.get("CI"):
        pytest.skip("systemd-analyze is not on this machine; it comes with systemd")
    assert found, "systemd-analyze is missing: install systemd"
    return output_of(found, *arguments, **more)


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units, with the program of the tests, for it has to be there."""
    copies = []
    for unit in sorted((PIPELINES / "systemd").iterdir()):
        text = unit.read_text(encoding="utf-8").replace("/opt/weave-eval/.venv/bin", str(PROGRAMS))
        (copy := tmp_path / unit.name).write_text(text, encoding="utf-8")
        copies.append(copy)
    return copies


def test_systemd_accepts_the_units(units: list[Path], tmp_path: Path) -> None:
    timers = [unit.name for unit in units if unit.suffix == ".timer"]
    assert timers == ["weave-eval@load.timer", "weave-eval@verify.timer"]
    services = [timer.replace(".timer", ".service") for timer in timers]
    services += [f"weave-eval-failed@{service}.service" for service in services]
    assert systemd_analyze("verify", *(f"./{name}" for name in [*timers, *services]), cwd=tmp_path) == ""


def test_systemd_refuses_a_misspelt_unit(units: list[Path], tmp_path: Path) -> None:
    """The judge is awake."""
    timer = next(unit for unit in units if unit.suffix == ".timer")
    timer.write_text(timer.read_text(encoding="utf-8").replace("*:17:00", "*:77:00"), encoding="utf-8")
    with pytest.raises(AssertionError, match="calendar"):
        systemd_analyze("verify", f"./{timer.name}", cwd=tmp_path)


def test_systemd_timers_elapse_when_they_should(units: list[Path]) -> None:
    times = [line.split("=", 1)[1] for unit in units for line in unit.read_text().splitlines() if "OnCalendar" in line]
    after = ("--base-time=2026-11-23 16:30:00 UTC", "--iterations=2")
    hourly, nightly = (systemd_analyze("calendar", *after, time) for time in times)
    assert "2026-11-23 17:17:00 UTC" in hourly
    assert "2026-11-23 18:17:00 UTC" in hourly
    assert "2026-11-24 03:47:00 UTC" in nightly
    assert "2026-11-25 03:47:00 UTC" in nightly


def test_what_the_service_runs_is_a_command_line(units: list[Path]) -> None:
    settings = settings_of(units, "weave-eval@.service")
    for name in ("load", "verify"):
        words = shlex.split(settings["ExecStart"].replace("%i", name))
        output_of(*words, "--help")
    assert settings["SuccessExitStatus"] == str(BUSY)
    assert settings["MemoryMax"]


def test_the_unit_that_tells_of_a_failure_mails_the_status(units: list[Path], tmp_path: Path) -> None:
    (told,) = [unit for unit in units if unit.name.startswith("weave-eval-failed")]
    assert settings_of(units, "weave-eval@.service")["OnFailure"] == told.name.replace("@", "@%n")
    (tmp_path / "systemctl").write_text('#!/bin/sh\necho "status of $4"\n')
    (tmp_path / "systemctl").chmod(0o755)
    (tmp_path / "sendmail").write_text(f'#!/bin/sh\n{{ echo "To: $1"; cat; }} > {tmp_path}/mail\n')
    (tmp_path / "sendmail").chmod(0o755)
    failed = settings_of(units, told.name)["ExecStart"].replace("%i", "weave-eval@load.service").replace("%H", "host")
    output_of(
        *shlex.split(failed.replace("/usr/sbin", str(tmp_path))),
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    assert (tmp_path / "mail").read_text().splitlines() == [
        "To: data-team@example.com",
        "Subject: weave-eval@load.service failed on host",
        "",
        "status of weave-eval@load.service",
    ]


def settings_of(units: list[Path], name: str) -> dict[str, str]:
    (unit,) = [unit for unit in units if unit.name == name]
    return dict(line.split("=", 1) for line in unit.read_text().splitlines() if "=" in line and line[0] != "#")


def test_kubernetes_accepts_the_manifest() -> None:
    said = output_of(PROGRAMS / "kubernetes-validate", "--strict", CRONJOB)
    assert said.count("passed") == 2


def test_kubernetes_runs_one_at_a_time_and_does_not_retry_a_mistake() -> None:
    _, job = manifests()
    pod = job["spec"]["jobTemplate"]["spec"]
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    actions = {rule["action"]: rule["onExitCodes"]["values"] for rule in pod["podFailurePolicy"]["rules"]}
    assert actions == {"FailJob": [MISUSED], "Ignore": [BUSY]}
    assert pod["template"]["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize(("hour", "command"), [("02", "load"), ("03", "verify")])
def test_kubernetes_verifies_at_three(hour: str, command: str, tmp_path: Path) -> None:
    _, job = manifests()
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    (tmp_path / "date").write_text(f"#!/bin/sh\necho {hour}\n")
    (tmp_path / "weave-eval").write_text(f'#!/bin/sh\nexec {PROGRAMS}/weave-eval "$@" --help\n')
    for name in ("date", "weave-eval"):
        (tmp_path / name).chmod(0o755)
    said = output_of(*container["command"], *container["args"], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert said.startswith(f"usage: weave-eval {command} ")


@pytest.mark.slow
def test_kubernetes_configuration_is_understood(
    server: WeaveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files and variables as the pod finds them: nothing is left to complain of but a warehouse that is not there."""
    config, job = manifests()
    server.bulk("my-team/my-project", rows=1)
    volume = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"][0]
    for item in volume["configMap"]["items"]:
        (place := tmp_path / item["path"]).parent.mkdir(parents=True, exist_ok=True)
        place.write_text(config["data"][item["key"]], encoding="utf-8")
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", "postgresql://loader:pa55word@127.0.0.1:9/analytics")
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    command = [str(PROGRAMS / "weave-eval"), "check"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "ok     settings",
        "ok     key",
        "ok     project",
        "failed destination",
    ]
    assert (done.returncode, done.stderr, "pa55word" in done.stdout) == (1, "", False)
    assert profile("postgres", tmp_path / "destinations.toml").dataset == "weave"


def manifests() -> tuple[Any, Any]:
    config, job = yaml.safe_load_all(CRONJOB.read_text(encoding="utf-8"))
    return config, job


def test_github_accepts_the_workflow() -> None:
    output_of(PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", WORKFLOW)


def test_github_actions_are_pinned_and_may_little() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    job = workflow["jobs"]["weave-eval"]
    uses = [step["uses"].partition("@")[2] for step in job["steps"] if "uses" in step]
    assert [len(commit) for commit in uses] == [40, 40]
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is False
    assert job["timeout-minutes"]
    hourly, nightly = (schedule["cron"] for schedule in workflow[True]["schedule"])  # YAML takes `on` for a boolean
    command = job["steps"][-1]["env"]["COMMAND"]
    assert f"github.event.schedule == '{nightly}' && 'verify'" in command
    assert hourly not in command


@pytest.mark.parametrize(
    ("inputs", "arguments"),
    [
        ({"COMMAND": "load"}, ["load", *PATIENT]),
        ({"COMMAND": "verify"}, ["verify", *PATIENT]),
        ({"COMMAND": "load", "SINCE": "2026-10-01"}, ["load", *PATIENT, "--since", "2026-10-01"]),
        (
            {"COMMAND": "load", "SINCE": "2026-10-01", "UNTIL": "$(touch x); y"},
            ["load", *PATIENT, "--since", "2026-10-01", "--until", "$(touch x); y"],
        ),
    ],
)
def test_github_inputs_become_arguments_and_nothing_else(
    inputs: dict[str, str], arguments: list[str], tmp_path: Path
) -> None:
    step = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["weave-eval"]["steps"][-1]
    uv = tmp_path / "uv"
    uv.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    uv.chmod(0o755)
    environment = {
        **dict.fromkeys(("COMMAND", "SINCE", "UNTIL"), ""),
        **inputs,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }
    assert set(step["env"]) >= {"COMMAND", "SINCE", "UNTIL"}
    said = output_of("bash", "-e", "-o", "pipefail", "-c", step["run"], env=environment, cwd=tmp_path)
    assert json.loads(said) == ["run", "--frozen", "--no-sync", "weave-eval", *arguments]
    assert not (tmp_path / "x").exists()


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and what follows them."""
    lines = DOCKERFILE.read_text(encoding="utf-8").splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if line_counts(word)]


def line_counts(word: str) -> bool:
    return bool(word) and word != "#"


def test_the_image_runs_as_nobody_and_its_entry_point_is_the_command_line() -> None:
    found = instructions()
    known = {"FROM", "ARG", "ENV", "RUN", "WORKDIR", "COPY", "USER", "ENTRYPOINT", "CMD"}
    assert {word for word, _ in found} <= known
    last = dict(found)
    assert last["USER"].split(":")[0].isdigit()
    assert int(last["USER"].split(":")[0]) > 0
    assert json.loads(last["ENTRYPOINT"]) == ["weave-eval"]
    output_of(PROGRAMS / "weave-eval", *json.loads(last["CMD"]), "--help")
    sources = [shlex.split(rest)[:-1] for word, rest in found if word == "COPY" and not rest.startswith("--from")]
    assert all((CHECKOUT / name).exists() for names in sources for name in names)
    let_in = DOCKERFILE.with_suffix(".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{name}" for names in sources for name in names} == {line for line in let_in if line.startswith("!")}
    assert [rest.split()[0] for word, rest in found if word == "FROM"] == ["python:${PYTHON}"] * 2
    assert re.fullmatch(r"PYTHON=3\.\d+\.\d+-slim-\w+", next(rest for word, rest in found if word == "ARG"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_image_installs(tmp_path: Path) -> None:
    """What the Dockerfile copies and runs, in a folder instead of an image."""
    found = instructions()
    kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    settings = dict(pair.split("=", 1) for word, rest in found if word == "ENV" for pair in shlex.split(rest))
    build, place = tmp_path / "build", str(tmp_path / "image")
    own = {
        **kept,
        "UV_PROJECT_ENVIRONMENT": place,
        "UV_PYTHON": sys.executable,
        "UV_LINK_MODE": settings["UV_LINK_MODE"],
    }
    for word, rest in found:
        if word == "COPY" and not rest.startswith("--from"):
            *names, target = shlex.split(rest)
            for name in names:
                copy(CHECKOUT / name, build / target / name if target == "./" else build / target)
        elif word == "RUN" and rest.startswith("uv "):
            output_of("sh", "-ec", rest, cwd=build, env={**own, "EXTRA": "postgres"})
    shutil.rmtree(build)
    entry, *_ = json.loads(dict(found)["ENTRYPOINT"])
    empty = {"PATH": f"{place}/bin:/usr/bin:/bin", "HOME": settings["HOME"], "DLT_DATA_DIR": str(tmp_path / "dlt")}
    assert "load" in output_of(entry, "--help", cwd=tmp_path, env=empty)
    said = output_of(entry, "demo", cwd=tmp_path, env={**empty, "RUNTIME__DLTHUB_TELEMETRY": "false"})
    assert "Loaded" in said
    assert not (Path(place) / "bin" / "pytest").exists()


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
