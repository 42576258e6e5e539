"""The command line: exit codes, what goes to which stream, and where it looks for key, URL and destination."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock

from tests.tables_of import tables_of
from tests.weave_server.process import KEY, WeaveServer
from weave_eval.cli.program import main

PROJECT = "acme/support-bot"
WEAVE_EVAL = (sys.executable, "-c", "import sys; from weave_eval.cli import main; sys.exit(main())")
COMMANDS = (
    "load", "verify", "check", "status", "demo", "compare", "gate", "report", "export", "looker", "dbt", "dictionary",
)  # fmt: skip

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _own_handlers() -> Iterator[None]:
    """The command line takes over SIGTERM; the tests give it back."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def filled(server: WeaveServer, monkeypatch: pytest.MonkeyPatch) -> WeaveServer:
    """A server with a project of two runs; the environment leads to it."""
    server.bulk(PROJECT, runs=2, rows=3, trials=1, scorers=1)
    server.clear_requests()
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WF_TRACE_SERVER_URL", server.url)
    return server


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process; gives its exit code, stdout and stderr."""

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(arguments)
        return code, *capsys.readouterr()

    return command


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*WEAVE_EVAL, *arguments], capture_output=True, text=True, timeout=60, check=False)


def run_ids(folder: Path, dataset: str = "weave") -> set[str]:
    return {run["run_id"] for run in tables_of(folder / "weave_eval.duckdb", dataset).get("evaluation_runs", [])}


@pytest.mark.usefixtures("filled")
def test_load_as_a_process(folder: Path) -> None:
    done = process("load", "--project", PROJECT)
    assert (done.returncode, done.stdout) == (0, "")
    (line,) = done.stderr.splitlines()
    fields = dict(part.split("=", 1) for part in line.split() if "=" in part)
    assert (fields["project"], fields["status"], fields["runs_read"]) == (PROJECT, "loaded", "2")
    assert fields["rows.trials"] == "6"
    assert len(run_ids(folder)) == 2


@pytest.mark.usefixtures("filled")
def test_a_failed_load_as_a_process() -> None:
    done = process("load", "--project", "forbidden-team/x")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert "forbidden-team/x" in done.stderr
    assert "Traceback" not in done.stderr
    assert KEY not in done.stderr


@pytest.mark.parametrize("arguments", [(), ("load", "--colour", "blue"), ("dance",)])
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    done = process(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: weave-eval")


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"weave-eval {command}" in capsys.readouterr().out.partition("examples:")[2]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"weave-eval {version('weave-eval')} (dlt {version('dlt')})\n"


@pytest.mark.parametrize("arguments", [["--help"], ["load", "--help"], ["--version"]])
def test_help_imports_neither_dlt_nor_pyarrow(arguments: list[str]) -> None:
    code = (
        "import sys; from weave_eval.cli import main\n"
        f"try: main({arguments})\n"
        "finally: sys.stderr.write(','.join(sorted({'dlt', 'pyarrow', 'sqlalchemy'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_one_project_fails_and_the_others_are_loaded(filled: WeaveServer, folder: Path, run: Run) -> None:
    filled.bulk("acme/second", rows=1)
    projects = [PROJECT, "forbidden-team/x", "acme/second"]
    code, out, err = run("load", *(word for project in projects for word in ("--project", project)))
    assert (code, out) == (1, "")
    assert len(run_ids(folder)) == 3
    first, failed, second = err.splitlines()
    assert (f"project={PROJECT}" in first, "project=acme/second" in second) == (True, True)
    assert "forbidden-team/x" in failed


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--project"),
        (("--project", "no-slash"), "'no-slash'"),
        (("--project", PROJECT, "--since", "yesterday"), "'yesterday'"),
        (("--project", PROJECT, "--destination", "lake"), "'lake'"),
        (("--project", PROJECT, "--full", "--since", "2026-01-01"), "--full"),
    ],
)
def test_what_the_user_has_to_change_ends_with_2(arguments: tuple[str, ...], words: str, run: Run) -> None:
    code, out, err = run("load", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.startswith("error: ")


@pytest.mark.usefixtures("filled")
def test_the_configured_project(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__WEAVE_EVAL__PROJECT", PROJECT)
    assert run("load")[0] == 0
    assert len(run_ids(folder)) == 2


def test_json_is_one_object_a_project_on_stdout(filled: WeaveServer, run: Run) -> None:
    filled.bulk("acme/second", rows=1)
    code, out, err = run("load", "--json", "--project", PROJECT, "--project", "acme/second")
    assert (code, err) == (0, "")
    first, second = [json.loads(line) for line in out.splitlines()]
    assert (first["project"], first["rows"]["trials"], first["status"]) == (PROJECT, 6, "loaded")
    assert (second["project"], second["rows"]["trials"]) == ("acme/second", 1)
    assert first["requests"] == len([entry for entry in filled.requests() if entry["status"]]) - second["requests"]


@pytest.mark.usefixtures("filled")
def test_json_of_an_error_is_json_on_stderr(run: Run) -> None:
    code, out, err = run("load", "--json", "--project", "forbidden-team/x")
    assert (code, out) == (1, "")
    assert json.loads(err)["level"] == "error"


@pytest.mark.usefixtures("filled")
def test_quiet_says_nothing_of_what_went_well(run: Run) -> None:
    assert run("load", "--quiet", "--project", PROJECT) == (0, "", "")


@pytest.mark.usefixtures("filled")
def test_quiet_still_says_what_went_wrong(run: Run) -> None:
    code, out, err = run("load", "--quiet", "--project", "forbidden-team/x")
    assert (code, out) == (1, "")
    assert "forbidden-team/x" in err


def test_a_dry_run_says_what_would_be_read_and_reads_nothing(filled: WeaveServer, folder: Path, run: Run) -> None:
    code, out, _ = run("load", "--dry-run", "--json", "--project", PROJECT)
    plan = json.loads(out)
    assert (code, plan["status"], plan["runs_to_read"], plan["reasons"]) == (0, "planned", 2, {"new": 2})
    assert filled.requests("eval_results") == []
    assert run_ids(folder) == set()
    run("load", "--project", PROJECT)
    assert json.loads(run("load", "--dry-run", "--json", "--project", PROJECT)[1])["runs_to_read"] == 0


def test_options_of_a_range(filled: WeaveServer, folder: Path, run: Run) -> None:
    first, second = filled.calls(PROJECT, op_names=[f"weave:///{PROJECT}/op/Evaluation.evaluate:*"])
    run("load", "--project", PROJECT, "--run", second["id"])
    assert run_ids(folder) == {second["id"]}
    run("load", "--project", PROJECT, "--until", second["started_at"], "--model", "bulk-model")
    assert run_ids(folder) == {first["id"], second["id"]}


@pytest.mark.usefixtures("filled")
def test_another_dataset(folder: Path, run: Run) -> None:
    assert run("load", "--project", PROJECT, "--dataset", "elsewhere")[0] == 0
    assert (len(run_ids(folder, "elsewhere")), run_ids(folder)) == (2, set())


@pytest.mark.usefixtures("filled")
def test_a_profile_of_destinations_toml(folder: Path, run: Run) -> None:
    profile = '[mine]\ntype = "duckdb"\ndataset = "evals"\ncredentials = "mine.duckdb"\n'
    (folder / "destinations.toml").write_text(profile, encoding="utf-8")
    assert run("load", "--project", PROJECT, "--destination", "mine")[0] == 0
    assert len(tables_of(folder / "mine.duckdb", "evals")["trials"]) == 6


def test_a_held_lock_ends_with_75_and_names_its_holder(filled: WeaveServer, folder: Path, run: Run) -> None:
    filled.add_faults({"kind": "slow", "delay": 4, "match": "eval_results", "times": 1})
    other = subprocess.Popen([*WEAVE_EVAL, "load", "--project", PROJECT], stderr=subprocess.PIPE)
    wait_for((folder / "weave_eval.duckdb.holder").exists)
    code, out, err = run("load", "--project", PROJECT)
    assert (code, out) == (75, "")
    assert f"process {other.pid}" in err
    assert run("load", "--project", PROJECT, "--wait", "30")[0] == 0
    other.communicate(timeout=30)
    assert other.returncode == 0
    assert len(run_ids(folder)) == 2


def test_sigterm_ends_a_load_soon_and_the_next_one_completes_it(filled: WeaveServer, folder: Path, run: Run) -> None:
    filled.add_faults({"kind": "slow", "delay": 12, "match": "eval_results", "times": 1})
    (folder / "scratch").mkdir()
    environment = {**os.environ, "TMPDIR": str(folder / "scratch")}
    command = [*WEAVE_EVAL, "load", "--project", PROJECT]
    slow = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: bool(filled.requests("eval_results")))
    began = time.monotonic()
    slow.send_signal(signal.SIGTERM)
    try:
        _, err = slow.communicate(timeout=20)
    finally:
        slow.kill()
    assert time.monotonic() - began < 8
    assert slow.returncode == 143
    assert "Traceback" not in err
    assert "terminated" in err
    assert list((folder / "scratch").iterdir()) == []
    filled.clear_faults()
    with FileLock(folder / "weave_eval.duckdb.lock", timeout=0):
        pass
    assert run("load", "--project", PROJECT)[0] == 0
    assert len(tables_of(folder / "weave_eval.duckdb")["trials"]) == 6


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.mark.usefixtures("filled")
def test_status(run: Run) -> None:
    run("load", "--project", PROJECT)
    code, out, err = run("status", "--json")
    (project,) = [json.loads(line) for line in out.splitlines()]
    assert (code, err, project["project"], project["runs"]) == (0, "", PROJECT, {"completed": 2})
    code, out, err = run("status")
    assert (code, err) == (0, "")
    assert f"{PROJECT}: 2 completed" in out


def test_status_before_the_first_load(run: Run, folder: Path) -> None:
    duckdb.connect(str(folder / "weave_eval.duckdb")).close()
    code, out, _ = run("status")
    assert (code, out) == (0, "duckdb (weave) holds no project yet.\n")


def test_status_without_a_database(run: Run) -> None:
    code, _, err = run("status")
    assert code in (0, 1)
    assert "Traceback" not in err


def findings(text: str) -> dict[str, tuple[str, str]]:
    """What `check` said of each subject: the verdict and the sentence."""
    found = {}
    for line in text.splitlines():
        verdict, subject, sentence = line.split(None, 2)
        found[subject.rstrip(":")] = (verdict, sentence)
    return found


def check(run: Run, project: str = PROJECT, *more: str) -> tuple[int, dict[str, tuple[str, str]]]:
    code, out, err = run("check", "--project", project, *more)
    assert err == ""
    assert KEY not in out
    return code, findings(out)


@pytest.mark.usefixtures("filled")
def test_check_when_all_is_well(folder: Path, run: Run) -> None:
    code, found = check(run)
    assert (code, {verdict for verdict, _ in found.values()}) == (0, {"ok"})
    assert "has 2 evaluation runs" in found["project"][1]
    assert tables_of(folder / "weave_eval.duckdb") == {}


@pytest.mark.usefixtures("filled")
def test_check_without_a_key(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    code, found = check(run)
    assert (code, found["key"][0], set(found)) == (2, "failed", {"settings", "key", "destination", "files"})
    assert "WANDB_API_KEY" in found["key"][1]


@pytest.mark.parametrize(
    "case",
    [
        ({"WANDB_API_KEY": "stale-key"}, PROJECT, "key"),
        ({}, "forbidden-team/x", "access"),
        ({}, "acme/never-written", "acme/never-written"),
        ({"WF_TRACE_SERVER_URL": "http://127.0.0.1:9"}, PROJECT, "cannot be reached"),
        ({"WF_TRACE_SERVER_URL": "{url}/traces/elsewhere"}, PROJECT, "base URL"),
        ({"WF_TRACE_SERVER_URL": "ftp:/nonsense"}, PROJECT, "base URL"),
    ],
    ids=["refused key", "no access", "unknown project", "unreachable", "wrong path", "no URL"],
)
def test_check_tells_what_is_wrong(
    filled: WeaveServer, run: Run, monkeypatch: pytest.MonkeyPatch, case: tuple[dict[str, str], str, str]
) -> None:
    change, project, words = case
    filled.configure(strict_projects=project.startswith("acme/"))
    for name, value in change.items():
        monkeypatch.setenv(name, value.format(url=filled.url))
    code, found = check(run, project)
    assert (code, found["key"][0], found["project"][0], found["destination"][0]) == (1, "ok", "failed", "ok")
    assert words in found["project"][1]
    assert "stale-key" not in str(found)


def test_check_sentences_differ(filled: WeaveServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = [check(run, "forbidden-team/x")[1]["project"][1]]
    filled.configure(strict_projects=True)
    sentences.append(check(run, "acme/never-written")[1]["project"][1])
    monkeypatch.setenv("WANDB_API_KEY", "stale-key")
    sentences.append(check(run)[1]["project"][1])
    assert len(set(sentences)) == 3


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    "credentials", ["nowhere/weave_eval.duckdb", "a-folder"], ids=["folder does not exist", "is a folder"]
)
def test_check_of_a_destination_that_cannot_be_written_to(folder: Path, run: Run, credentials: str) -> None:
    (folder / "a-folder").mkdir()
    profile = f'[mine]\ntype = "duckdb"\ncredentials = "{credentials}"\n'
    (folder / "destinations.toml").write_text(profile, encoding="utf-8")
    code, found = check(run, PROJECT, "--destination", "mine")
    assert (code, found["project"][0], found["destination"][0]) == (1, "ok", "failed")
    assert "'mine'" in found["destination"][1]


@pytest.mark.usefixtures("filled")
@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_check_of_a_read_only_file(folder: Path, run: Run) -> None:
    duckdb.connect(str(folder / "weave_eval.duckdb")).close()
    (folder / "weave_eval.duckdb").chmod(0o444)
    code, found = check(run)
    assert (code, found["destination"][0]) == (1, "failed")


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("LOOKBAK_DAYS", "3", "SOURCES__WEAVE_EVAL__LOOKBAK_DAYS is not a setting; did you mean lookback_days?"),
        ("LOOKBACK_DAYS", "-3", "lookback_days is -3.0; it must be between 0"),
        ("LOOKBACK_DAYS", "three", "lookback_days"),
        ("SINCE", "yesterday", "since is 'yesterday'"),
        ("PRIVACY", '["drop trials.outputs"]', "trials.outputs"),
        ("PRIVACY", '["hash trials.output"]', "privacy_key"),
    ],
)
def test_check_of_settings(variable: str, value: str, words: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"SOURCES__WEAVE_EVAL__{variable}", value)
    code, found = check(run)
    assert (code, found["settings"][0], found["destination"][0]) == (2, "failed", "ok")
    assert words in found["settings"][1]
    assert run("load", "--project", PROJECT)[0] == 2


@pytest.mark.usefixtures("filled")
def test_check_of_what_is_configured(run: Run, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Every project, and the destination, without a word on the command line."""
    profile = '[mine]\ntype = "duckdb"\ncredentials = "mine.duckdb"\n'
    (folder / "destinations.toml").write_text(profile, encoding="utf-8")
    monkeypatch.setenv("SOURCES__WEAVE_EVAL__PROJECTS", f'["{PROJECT}", "forbidden-team/x"]')
    monkeypatch.setenv("SOURCES__WEAVE_EVAL__DEFAULT_DESTINATION", "mine")
    code, out, _ = run("check")
    subjects = [line.split(": ")[0] for line in out.splitlines()]
    of_a_project = ["ok     settings", "ok     key"]
    files = ["ok     destination", "ok     files"]
    assert (code, subjects) == (1, [*of_a_project, "ok     project", *of_a_project, "failed project", *files])
    assert "mine (duckdb)" in out
    assert run("load")[0] == 1
    assert (folder / "mine.duckdb").exists()


@pytest.mark.usefixtures("filled")
def test_check_of_files_that_cannot_be_written(run: Run, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "a-file").touch()
    monkeypatch.setenv("DLT_DATA_DIR", str(folder / "a-file" / "dlt"))
    code, found = check(run)
    assert (code, found["destination"][0], found["files"][0]) == (2, "ok", "failed")
    assert "a-file is not writable" in found["files"][1]
    assert "DLT_DATA_DIR" in found["files"][1]
    assert run("load", "--project", PROJECT) == (2, "", f"error: {found['files'][1]}\n")


@pytest.mark.usefixtures("filled")
def test_check_of_a_warehouse_that_is_away(folder: Path, run: Run) -> None:
    credentials = '{ host = "127.0.0.1", port = 9, database = "d", username = "loader", password = "pa55word" }'
    profile = f'[away]\ntype = "postgres"\ncredentials = {credentials}\n'
    (folder / "destinations.toml").write_text(profile, encoding="utf-8")
    code, found = check(run, PROJECT, "--destination", "away")
    assert (code, found["project"][0], found["destination"][0]) == (1, "ok", "failed")
    assert "Connection refused" in found["destination"][1]
    assert "pa55word" not in str(found)


@pytest.mark.parametrize("name", ["config.toml", "secrets.toml"])
def test_a_file_of_dlts_that_is_no_toml(name: str, folder: Path) -> None:
    (folder / ".dlt").mkdir()
    (folder / ".dlt" / name).write_text("[sources.weave_eval\n", encoding="utf-8")
    done = process("load")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert name in done.stderr


@pytest.mark.usefixtures("filled")
def test_check_leaves_nothing_behind(folder: Path, run: Run) -> None:
    check(run)
    with duckdb.connect(str(folder / "weave_eval.duckdb")) as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        schemas = connection.execute("SELECT schema_name FROM duckdb_schemas() WHERE NOT internal").fetchall()
    assert (tables, schemas) == ([], [])


@pytest.mark.usefixtures("filled")
def test_key_of_the_netrc_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    netrc = Path.home() / ".netrc"
    netrc.write_text(f"machine api.wandb.ai\n  login user\n  password {KEY}\n", encoding="utf-8")
    netrc.chmod(0o600)
    assert check(run)[0] == 0


@pytest.mark.usefixtures("filled")
def test_key_of_dlts_secrets(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("SOURCES__WEAVE_EVAL__API_KEY", KEY)
    assert check(run)[0] == 0


def test_the_base_url_of_a_dedicated_host(filled: WeaveServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WF_TRACE_SERVER_URL")
    monkeypatch.setenv("WANDB_BASE_URL", filled.url)
    _, found = check(run)
    assert f"{filled.url}/traces" in found["project"][1]
    assert {entry["path"] for entry in filled.requests()} == {"/traces/calls/query_stats"}


def test_a_configured_base_url_comes_first(filled: WeaveServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WF_TRACE_SERVER_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SOURCES__WEAVE_EVAL__BASE_URL", f"{filled.url}/")
    assert check(run)[0] == 0


@pytest.mark.parametrize("arguments", [("load",), ("load", "--json"), ("load", "--dry-run"), ("check",)])
@pytest.mark.parametrize("project", [PROJECT, "forbidden-team/x"])
def test_the_key_is_never_shown(
    filled: WeaveServer, run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], project: str
) -> None:
    secret = "k3y-that-nobody-sees"
    filled.configure(key=secret)
    monkeypatch.setenv("WANDB_API_KEY", secret)
    code, out, err = run(*arguments, "--project", project)
    assert code == (0 if project == PROJECT else 1)
    assert secret not in out + err


def test_demo_needs_no_account(run: Run, folder: Path) -> None:
    code, out, err = run("demo")
    assert (code, err) == (0, "")
    assert "Loaded" in out
    assert run_ids(folder)


@pytest.mark.usefixtures("filled")
def test_a_load_of_nothing_new_says_so(run: Run) -> None:
    run("load", "--project", PROJECT)
    assert "status=unchanged" in run("load", "--project", PROJECT)[2]


def test_warnings_are_shown(sdk_project: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WF_TRACE_SERVER_URL", sdk_project.server.url)
    code, out, err = run("load", "--quiet", "--project", sdk_project.name, "--run", sdk_project.ids["function_model"])
    assert (code, out) == (0, "")
    assert err.startswith(f"warning: {sdk_project.name}: run {sdk_project.ids['function_model']}: 4 texts with NUL")
