"""`weave-eval check`, and where it looks for key, base URL and destination."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest

from tests.cli.running import PROJECT, Run
from tests.tables_of import tables_of
from tests.weave_server.process import KEY, WeaveServer

pytestmark = pytest.mark.usefixtures("folder")


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


def test_check_names_ops_that_look_like_evaluations(filled: WeaveServer, run: Run) -> None:
    call, _ = filled.calls(PROJECT, op_names=[f"weave:///{PROJECT}/op/Evaluation.evaluate:*"])
    filled.patch_call(PROJECT, call["id"], op_name=f"weave:///{PROJECT}/op/RetryingEvaluation.evaluate:abc")
    code, found = check(run)
    assert (code, found["project"][0]) == (0, "ok")
    assert "has 1 evaluation runs" in found["project"][1]
    names = '["Evaluation.evaluate", "Evaluation-evaluate", "RetryingEvaluation.evaluate"]'
    assert found["project"][1].endswith(f"To load them, set evaluate_ops to {names}")


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
