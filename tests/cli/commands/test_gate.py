"""`weave-eval gate` on the demo: what it lets through, what it blocks, what it will not judge, and what it leaves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import duckdb
import pytest

from tests.checkout import CHECKOUT
from tests.demo import questions
from tests.demo_file import FILE, PROJECT, demo_runs, load_demo
from tests.processes import WEAVE_EVAL
from tests.stand_ins.warehouse import Warehouse
from tests.tables_of import Row, tables_of
from weave_eval.cli.exit_codes import BUSY, DONE, FAILED, MISUSED
from weave_eval.cli.program import main
from weave_eval.demo.api import DemoApi
from weave_eval.judging.rules import BOUNDS, MEASURES
from weave_eval.loading.pipelines import lock_path
from weave_eval.warehouse.locks import load_lock
from weave_eval.warehouse.profiles import profile

RULES = """
[[rules]]
measure = "pass_rate"
metric = "correct"
min = 0.7
max_drop = 0.1

[[rules]]
measure = "regressions"
metric = "correct"
max = 0

[[rules]]
measure = "missing_score_rate"
metric = "correct"
max = 0.05
"""
COST = '[[rules]]\nmeasure = "cost_total"\nmax = 1'
TONE = '[[rules]]\nmeasure = "mean"\nmetric = "tone.tone.score"\nmax_drop = 0.1'
FLAKY = '[[rules]]\nmeasure = "flaky_rows"\nmetric = "correct"\nmax = 0'

Gate = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def ids(demo_file: Path) -> dict[str, str]:
    return demo_runs(demo_file)


@pytest.fixture(autouse=True)
def folder(demo_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a copy of the demo and a file of rules."""
    shutil.copy(demo_file, tmp_path)
    (tmp_path / "gate.toml").write_text(RULES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def gate(folder: Path, ids: dict[str, str], capsys: pytest.CaptureFixture[str]) -> Gate:
    """Judges a run, by its name in the demo; gives the exit code and what JSON says."""

    def command(run: str, baseline: str | None, *more: str, rules: str = RULES) -> tuple[int, dict[str, Any]]:
        (folder / "gate.toml").write_text(rules, encoding="utf-8")
        against = ["--baseline", ids.get(baseline, baseline)] if baseline else []
        code = main(["gate", "--run", ids.get(run, run), *against, "--rules", "gate.toml", "--json", *more])
        return code, json.loads(capsys.readouterr().out)

    return command


def decisions(folder: Path) -> list[Row]:
    return tables_of(folder / FILE).get("gate_decisions", [])


def outcomes(found: dict[str, Any]) -> list[str]:
    return [check["outcome"] for check in found["checks"]]


def test_the_regression_is_blocked(gate: Gate) -> None:
    code, found = gate("large, brief prompt", "large, longer returns", "--no-record")
    assert (code, found["decision"]) == (FAILED, "blocked")
    assert outcomes(found) == ["passed", "failed", "failed", "passed"]
    _, drop, regressions, _ = found["checks"]
    assert (drop["value"], drop["baseline_value"]) == pytest.approx((-0.2, 0.96))
    assert len(regressions["row_digests"]) == regressions["value"] == len(questions.LOST_BY_BREVITY)
    assert "regressions correct is 5 on 25 rows; it breaks max = 0." in found["reason"]


def test_what_stayed_as_it_was_passes(gate: Gate) -> None:
    code, found = gate("large, stricter tone", "large, longer returns", "--no-record")
    assert (code, found["decision"], found["reason"]) == (DONE, "passed", "All 4 checks passed.")


def test_with_confidence_few_rows_do_not_pass(gate: Gate) -> None:
    code, found = gate(
        "large, stricter tone", "large, longer returns", "--no-record", rules="confidence=0.95\n" + RULES
    )
    assert (code, outcomes(found)) == (FAILED, ["passed", "failed", "passed", "failed"])
    assert found["checks"][1]["low"] == pytest.approx(-0.102660, abs=1e-6)


def test_the_scorers_change_cannot_be_judged(gate: Gate) -> None:
    code, found = gate("large, stricter tone", "large, longer returns", "--no-record", rules=RULES + TONE)
    assert (code, found["decision"]) == (MISUSED, "not_judged")
    assert outcomes(found) == ["passed"] * 4 + ["not_judged"]
    assert "The scorer 'tone' has another version" in found["reason"]
    allowed = 'may_differ = ["scorers"]\n' + RULES + TONE
    code, found = gate("large, stricter tone", "large, longer returns", "--no-record", rules=allowed)
    assert (code, outcomes(found)) == (FAILED, ["passed"] * 4 + ["failed"])


def test_the_edit_of_the_dataset_cannot_be_judged(gate: Gate) -> None:
    code, found = gate("large, longer returns", "large, baseline", "--no-record")
    assert (code, outcomes(found)) == (MISUSED, ["passed", "not_judged", "not_judged", "passed"])
    assert "The datasets differ: 23 rows are in both runs, 1 only in" in found["reason"]
    allowed = 'may_differ = ["dataset"]\n' + RULES
    code, found = gate("large, longer returns", "large, baseline", "--no-record", rules=allowed)
    assert (code, outcomes(found)) == (DONE, ["passed"] * 4)


def test_the_flaky_row_is_found(gate: Gate) -> None:
    code, found = gate("large, refunds again", "large, refunds", "--no-record", rules=RULES + FLAKY)
    assert (code, outcomes(found)) == (FAILED, ["passed"] * 4 + ["failed"])
    assert len(found["checks"][-1]["row_digests"]) == 1


@pytest.mark.parametrize(("errors_as", "drop", "code"), [("failures", 1 / 24, FAILED), ("ignored", 0, DONE)])
def test_the_models_error_counts_as_the_rules_say(gate: Gate, errors_as: str, drop: float, code: int) -> None:
    rules = f"""
    count_errors_as = "{errors_as}"
    [[rules]]
    measure = "pass_rate"
    metric = "correct"
    max_drop = 0.03
    [[rules]]
    measure = "error_rate"
    max = 0.05
    """
    found_code, found = gate("small, nightly", "small, baseline", "--no-record", rules=rules)
    assert found_code == code
    assert found["checks"][0]["value"] == pytest.approx(-drop)
    assert found["checks"][1]["value"] == pytest.approx(1 / 24)


@pytest.mark.parametrize(
    ("run", "reason"),
    [("large, weekly", "has not ended."), ("large, handovers counted", "failed before it finished.")],
)
def test_a_run_without_a_good_end_is_not_judged(gate: Gate, ids: dict[str, str], run: str, reason: str) -> None:
    code, found = gate(run, None, "--no-record", rules=COST)
    assert (code, found["reason"], found["checks"]) == (MISUSED, f"The run {ids[run]} {reason}", [])


def test_a_newer_run_that_has_not_completed_is_not_passed_over_in_silence(
    ids: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    latest = ["gate", "--run", "latest:helpdesk-large", "--evaluation", "support-faq", "--rules", "gate.toml"]
    assert main([*latest, "--no-record"]) == MISUSED
    said = (
        f"latest:helpdesk-large leaves out a newer run, helpdesk-large (large, weekly) ({ids['large, weekly']}), which"
    )
    assert f"{said} has not ended. Nothing was judged." in capsys.readouterr().err
    Path("gate.toml").write_text("[[rules]]\nmeasure = 'rows'\nmin = 1\n", encoding="utf-8")
    assert main([*latest, "--no-record", "--last-completed", "--json"]) == DONE
    out, err = capsys.readouterr()
    assert f"{said} has not ended." in err
    assert json.loads(out)["decision"] == "passed"


def test_a_run_that_is_not_proven_is_not_judged(gate: Gate, ids: dict[str, str], folder: Path) -> None:
    change = "UPDATE weave.reconciliations SET {} WHERE run_id = '{}'"
    for name, changed in (("large, refunds", "is_reconciled = false"), ("small, refunds", "load_id = 'another'")):
        with duckdb.connect(str(folder / FILE)) as connection:
            connection.execute(change.format(changed, ids[name]))
        code, found = gate(name, None, "--no-record", rules=COST)
        assert (code, found["decision"]) == (MISUSED, "not_judged")
    assert gate("large, refunds again", None, "--no-record", rules=COST)[0] == DONE


def test_a_decision_is_recorded(gate: Gate, ids: dict[str, str], folder: Path) -> None:
    began = datetime.now(timezone.utc)
    _, first = gate("large, brief prompt", "large, longer returns")
    _, second = gate("large, refunds again", None, rules=COST)
    rows = {row["decision_id"]: row for row in decisions(folder)}
    assert rows.keys() == {first["decision_id"], second["decision_id"]}
    row = rows[first["decision_id"]]
    assert (row["run_id"], row["baseline_run_id"]) == (ids["large, brief prompt"], ids["large, longer returns"])
    assert (row["decision"], row["reason"], row["results"]) == ("blocked", first["reason"], first["checks"])
    assert (row["rules_digest"], row["project_id"], row["notes"]) == (first["rules_digest"], PROJECT, [])
    assert [rule["measure"] for rule in row["rules"]["rules"]] == ["pass_rate", "regressions", "missing_score_rate"]
    assert began <= row["decided_at"] <= datetime.now(timezone.utc)
    assert (row["read_from"], row["connector_version"]) == ("warehouse", "0.1.0")
    assert rows[second["decision_id"]]["baseline_run_id"] is None
    assert row["_dlt_load_id"] != rows[second["decision_id"]]["_dlt_load_id"]


def test_a_load_leaves_decisions_as_they_are(gate: Gate, folder: Path) -> None:
    gate("large, refunds again", None, rules=COST)
    before = tables_of(folder / FILE)
    load_demo(folder)
    after = tables_of(folder / FILE)
    assert after["gate_decisions"] == before["gate_decisions"]
    assert len(after["trials"]) == len(before["trials"])


def test_nothing_is_recorded_where_it_is_not_wanted(gate: Gate, folder: Path) -> None:
    _, found = gate("large, refunds again", None, "--no-record", rules=COST)
    assert "decision_id" not in found
    assert decisions(folder) == []


def test_what_a_terminal_shows(ids: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    runs = ["--run", ids["large, brief prompt"], "--baseline", ids["large, longer returns"]]
    assert main(["gate", *runs, "--rules", "gate.toml", "--no-record"]) == FAILED
    first, *lines, note, last = capsys.readouterr().out.splitlines()
    assert first == "helpdesk-large (large, brief prompt), compared with helpdesk-large (large, longer returns)"
    assert [line[:10].strip() for line in lines if line[2] != " "] == ["passed", "FAILED", "FAILED", "passed"]
    shown = "\n".join(lines)
    assert all(asked.question in shown for asked in questions.LOST_BY_BREVITY)
    assert note == "  note        25 rows can show a change of pass_rate correct by 0.266 four times out of five."
    assert last == "blocked: 2 passed, 2 failed"


def test_reports_for_other_systems(gate: Gate, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (summary := folder / "summary.md").write_text("# Before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    options = ("--no-record", "--junit", "gate.xml", "--markdown", str(summary))
    assert gate("large, brief prompt", "large, longer returns", *options)[0] == FAILED
    (suite,) = ET.parse(folder / "gate.xml").getroot()
    assert [case[0].tag for case in suite] == ["system-out", "failure", "failure", "system-out"]
    assert summary.read_text(encoding="utf-8").startswith("# Before\n## Gate blocked\n")
    gate("large, brief prompt", "large, longer returns", "--no-record", "--markdown", "own.md")
    gate("large, brief prompt", "large, longer returns", "--no-record", "--markdown", "own.md")
    assert (folder / "own.md").read_text(encoding="utf-8").count("## Gate blocked") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--run", "nothing"], "The destination duckdb (weave) has no run 'nothing'."),
        (["--rules", "none.toml"], "The rules in none.toml cannot be read: "),
        (["--rules", "weave_eval.duckdb"], "The rules in weave_eval.duckdb cannot be read: "),
        (["--rules", "wrong.toml"], "wrong.toml cannot be used:\n  It has no rules; add one"),
        (["--markdown", "none/gate.md"], "none/gate.md cannot be written: "),
        (["--destination", "none"], "There is no destination 'none'."),
        (["--from-api", "--project", "acme"], "The project is 'acme'; name it as ENTITY/PROJECT"),
    ],
)
def test_mistakes_have_sentences(
    ids: dict[str, str], folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    (folder / "wrong.toml").write_text("", encoding="utf-8")
    options = ["--run", ids["large, refunds"], "--rules", "gate.toml", *arguments]
    assert main(["gate", *options]) == MISUSED
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert decisions(folder) == []


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[DemoApi]:
    """The demo's API, which the environment leads to."""
    with DemoApi() as started:
        monkeypatch.setenv("WANDB_API_KEY", started.key)
        monkeypatch.setenv("WF_TRACE_SERVER_URL", started.url)
        yield started


@pytest.mark.usefixtures("api")
def test_without_a_warehouse_weave_itself_is_read(gate: Gate, folder: Path) -> None:
    (folder / FILE).rename(folder / "elsewhere.duckdb")
    rules = RULES + TONE + "\n" + FLAKY
    code, found = gate("large, brief prompt", "latest:helpdesk-small", "--from-api", "--project", PROJECT, rules=rules)
    assert not (folder / FILE).exists()
    (folder / "elsewhere.duckdb").rename(folder / FILE)
    assert (code, found) == gate("large, brief prompt", "latest:helpdesk-small", "--no-record", rules=rules)
    assert found["decision"] == "blocked"


@pytest.mark.usefixtures("api")
def test_what_was_read_from_weave_is_recorded_where_a_destination_is_named(gate: Gate, folder: Path) -> None:
    options = ("--from-api", "--project", PROJECT, "--destination", "duckdb")
    assert gate("large, refunds again", None, *options, rules=COST)[0] == DONE
    assert [row["read_from"] for row in decisions(folder)] == ["api"]


@pytest.mark.usefixtures("api")
def test_a_run_that_has_not_ended_in_weave_is_not_judged(gate: Gate) -> None:
    code, found = gate("large, weekly", None, "--from-api", "--project", PROJECT, rules=COST)
    assert (code, found["reason"].partition(" ")[2][-14:]) == (MISUSED, "has not ended.")


def test_a_load_under_way_makes_it_wait(gate: Gate, ids: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["gate", "--run", ids["large, refunds"], "--rules", "gate.toml"]
    with load_lock(lock_path(profile("duckdb").location(), PROJECT), "loading it"):
        assert main(arguments) == BUSY
        assert "Another load is running (process " in capsys.readouterr().err
        assert gate("large, refunds", None, "--no-record", rules=COST)[0] == DONE
    is_held = threading.Event()
    load = threading.Thread(target=hold_lock, args=(is_held,))
    load.start()
    assert is_held.wait(30)
    assert gate("large, refunds", None, "--wait", "30", rules=COST)[0] == DONE
    load.join()


def hold_lock(is_held: threading.Event) -> None:
    """Has the lock for a second; it can be given back by the thread that took it."""
    with load_lock(lock_path(profile("duckdb").location(), PROJECT), "loading it"):
        is_held.set()
        time.sleep(1)


def test_a_file_in_use_is_busy(ids: dict[str, str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = f"import duckdb, sys; file = duckdb.connect('{FILE}'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        process.stdout.readline()
        assert main(["gate", "--run", ids["large, refunds"], "--rules", "gate.toml"]) == BUSY
        process.communicate("")
    assert f"is open in another program (process {process.pid}), such as a load." in capsys.readouterr().err


@pytest.fixture
def in_postgres(postgres: Warehouse, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, ...]]:
    """The demo in Postgres; gives the options that lead there."""
    for name, value in postgres.environment.items():
        monkeypatch.setenv(name, value)
    shutil.copy(CHECKOUT / "destinations.toml", folder)
    options = ("--destination", "postgres", "--dataset", postgres.new_dataset())
    assert main(["demo", *options]) == DONE
    yield options
    postgres.drop(options[-1])


def recorded(postgres: Warehouse, dataset: str) -> list[tuple[Any, ...]]:
    table = postgres.table(dataset, "gate_decisions")
    return postgres.rows(f"SELECT decision, results, rules, project_id FROM {table}")


@pytest.mark.slow
def test_the_whole_way_in_postgres(
    gate: Gate, in_postgres: tuple[str, ...], postgres: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    rules = RULES + TONE
    pair = ("large, brief prompt", "large, longer returns")
    code, found = gate(*pair, *in_postgres, rules=rules)
    _, in_a_file = gate(*pair, "--no-record", rules=rules)
    assert code == FAILED
    assert found["checks"] == in_a_file["checks"]
    ((decision, results, document, project),) = recorded(postgres, in_postgres[-1])
    assert (decision, project, results) == ("blocked", PROJECT, found["checks"])
    assert document["rules"][3]["metric"] == "tone.tone.score"
    comments = postgres.comments(in_postgres[-1])
    assert comments["gate_decisions", "reason"] == "Why, in sentences."


@pytest.mark.slow
@pytest.mark.usefixtures("api")
def test_decisions_are_written_beside_a_load(
    gate: Gate, in_postgres: tuple[str, ...], postgres: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    """While a load of the same project reads and writes everything, decision after decision is made."""
    trials = f"SELECT count(*), count(DISTINCT trial_id) FROM {postgres.table(in_postgres[-1], 'trials')}"
    before = postgres.rows(trials)
    server = os.environ["WF_TRACE_SERVER_URL"]  # another one than that of `demo`
    load = ("load", "--full", "--project", PROJECT, "--confirm-server", server, *in_postgres)
    capsys.readouterr()
    with subprocess.Popen([*WEAVE_EVAL, *load], stderr=subprocess.PIPE, text=True) as process:
        made = [gate("large, refunds again", None, *in_postgres, rules=COST)]
        while process.poll() is None:
            made.append(gate("large, refunds again", None, *in_postgres, rules=COST))
        _, said = process.communicate()
    assert process.returncode == DONE, said
    assert {(code, found["decision"], found["reason"].partition(" has ")[2]) for code, found in made} <= {
        (DONE, "passed", ""),
        # What was just read again is proven a moment later.
        (MISUSED, "not_judged", "not been compared with what Weave reports."),
    }
    assert gate("large, refunds again", None, "--no-record", *in_postgres, rules=COST)[0] == DONE
    assert postgres.rows(trials) == before
    assert len(recorded(postgres, in_postgres[-1])) == len(made)


def test_the_sample_of_rules_is_for_the_demo(gate: Gate) -> None:
    sample = (CHECKOUT / "pipelines" / "gate.toml").read_text(encoding="utf-8")
    of_refunds = ("--evaluation", "refund-policy", "--no-record")
    code, found = gate("latest:helpdesk-large", "latest:helpdesk-small", *of_refunds, rules=sample)
    assert (code, found["reason"]) == (DONE, "All 6 checks passed.")
    assert all(measure in sample for measure in MEASURES)
    assert all(bound in sample for bound in BOUNDS)
