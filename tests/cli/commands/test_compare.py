"""`weave-eval compare` on the demo: it finds what its runs differ in, and nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.demo import questions
from tests.demo_file import FILE, PROJECT, V2_RUN, demo_runs
from weave_eval.cli.exit_codes import BUSY, DONE, MISUSED
from weave_eval.cli.program import main
from weave_eval.demo.api import DemoApi


class Demo(NamedTuple):
    """The folder that the demo is loaded into, and the ids of its runs by their names."""

    folder: Path
    ids: dict[str, str]


Compare = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def demo(demo_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    return Demo(folder, demo_runs(Path(shutil.copy(demo_file, folder))))


@pytest.fixture(autouse=True)
def _in_its_folder(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(demo.folder)


@pytest.fixture
def compare(demo: Demo, capsys: pytest.CaptureFixture[str]) -> Compare:
    """Compares two runs, by their names in the demo; gives what JSON says."""

    def command(baseline: str, candidate: str, *more: str) -> dict[str, Any]:
        named = [demo.ids.get(name, name) for name in (baseline, candidate)]
        assert main(["compare", *named, "--json", *more]) == DONE
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return command


def by_metric(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {metric["metric"]: metric for metric in found["metrics"]}


def worse_questions(found: dict[str, Any], metric: str = "correct") -> set[str]:
    rows = [change["row_digest"] for change in by_metric(found)[metric]["regressions"]]
    return {found["contents"][row]["inputs"]["question"] for row in rows}


def changed(found: dict[str, Any]) -> set[str]:
    """The metrics in which any row differs."""
    return {name for name, metric in by_metric(found).items() if metric["wins"] or metric["losses"]}


def test_the_regression_is_found(compare: Compare) -> None:
    found = compare("large, longer returns", "large, brief prompt", "--metric", "correct")
    assert worse_questions(found) == {asked.question for asked in questions.LOST_BY_BREVITY}
    correct = by_metric(found)["correct"]
    assert (correct["baseline"]["value"], correct["candidate"]["value"]) == (0.96, 0.76)
    assert (correct["wins"], correct["losses"], correct["ties"], correct["is_mcnemar"]) == (0, 5, 20, True)
    assert correct["sign_p_value"] == pytest.approx(2 / 2**5)
    assert found["warnings"] == []
    latency, cost, _ = found["measurements"]
    assert latency["difference"]["high"] < 0
    assert cost["candidate"]["total"] < cost["baseline"]["total"]


def test_outputs_of_worse_rows_are_told(compare: Compare, demo: Demo) -> None:
    found = compare("large, longer returns", "large, brief prompt", "--metric", "correct")
    lost = {asked.question: asked.wrong for asked in questions.LOST_BY_BREVITY}
    for content in found["contents"].values():
        ((answer,),) = [content["outputs"][demo.ids["large, brief prompt"]]]
        assert answer["answer"] == lost[content["inputs"]["question"]]


def test_the_flaky_row_is_found_and_is_no_difference(compare: Compare, demo: Demo) -> None:
    found = compare("large, refunds", "large, refunds again")
    assert changed(found) == set()
    assert found["warnings"] == []
    for name in ("large, refunds", "large, refunds again"):
        (row,) = found["flaky_rows"][demo.ids[name]]["correct"]
        assert found["contents"][row]["inputs"]["question"] == questions.FLAKY.question
    assert by_metric(found)["correct"]["baseline"]["value"] == pytest.approx(11.5 / 12)


def test_the_scorers_change_is_found_and_nothing_else(compare: Compare, demo: Demo) -> None:
    found = compare("large, longer returns", "large, stricter tone")
    (warning,) = found["warnings"]
    assert warning == (
        f"The scorer 'tone' has another version in {demo.ids['large, stricter tone']} than in "
        f"{demo.ids['large, longer returns']}: its scores cannot be compared."
    )
    assert changed(found) == {"tone.tone.score"}
    assert {name: metric["is_same_scorer"] for name, metric in by_metric(found).items()} == {
        "correct": True, "tone.length": False, "tone.tone.polite": False, "tone.tone.score": False,
    }  # fmt: skip


def test_the_edit_of_the_dataset_is_found_and_nothing_else(compare: Compare) -> None:
    found = compare("large, baseline", "large, longer returns")
    assert (found["common_rows"], len(found["only_in_baseline"]), len(found["only_in_candidate"])) == (23, 1, 2)
    assert changed(found) == set()
    (warning,) = found["warnings"]
    assert warning.startswith("The datasets differ: 23 rows are in both runs, 1 only in ")


def test_the_models_error_is_found(compare: Compare) -> None:
    found = compare("small, baseline", "small, nightly", "--metric", "correct")
    assert found["failed_trials"] == {"baseline": 0, "candidate": 1}
    assert worse_questions(found) == {questions.TIMES_OUT.question}
    (content,) = found["contents"].values()
    assert any("TimeoutError" in str(outputs) for outputs in content["outputs"].values())
    ignored = by_metric(compare("small, baseline", "small, nightly", "--count-errors-as", "ignored"))["correct"]
    assert (ignored["losses"], ignored["difference"]["rows"], ignored["missing"]["candidate"]) == (0, 23, 1)


@pytest.mark.parametrize(
    ("name", "text"),
    [("large, handovers counted", "failed before it finished"), ("large, weekly", "has not ended")],
)
def test_a_run_without_a_good_end_is_warned_of(compare: Compare, demo: Demo, name: str, text: str) -> None:
    found = compare("large, stricter tone", name)
    assert f"The run {demo.ids[name]} {text}." in found["warnings"]


def test_runs_may_be_named_by_their_model(compare: Compare, demo: Demo) -> None:
    found = compare("latest:helpdesk-large", "small, refunds")
    assert found["baseline"]["run_id"] == demo.ids["large, refunds again"]
    found = compare("small, baseline", "latest:helpdesk-large")
    assert found["candidate"]["run_id"] == demo.ids[V2_RUN]
    found = compare("latest:helpdesk-large", "latest:helpdesk-large", "--evaluation", "refund-policy")
    run_ids = [demo.ids[name] for name in ("large, brief prompt, refunds", "large, refunds again")]
    assert [found[side]["run_id"] for side in ("baseline", "candidate")] == run_ids


def test_runs_may_be_named_by_the_start_of_their_id(compare: Compare, demo: Demo) -> None:
    found = compare(demo.ids["large, refunds"][:20], demo.ids["small, refunds"][:20])
    assert found["baseline"]["run_id"] == demo.ids["large, refunds"]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["0", "nothing"], "The destination duckdb (weave) has no run 'nothing'. Name a run by its id, or as latest:M"),
        (["0", "01a20897-"], "'01a20897-' is the start of 15 runs: 01a20897-"),
        (["0", ""], "The destination duckdb (weave) has no run ''."),
        (["{large, refunds}", "latest:helpdesk"], " has no completed run of a model 'helpdesk' of the evaluation 'ref"),
        (["{large, refunds}", "{large, refunds}"], " are the same run, "),
        (["{live-chat-review}", "latest:helpdesk-small"], "of the evaluation 'live-chats-evaluation' besides "),
        (["{large, refunds}", "{small, refunds}", "--metric", "similar"], "have no metric similar to compare. They"),
        (["{large, refunds}", "{small, refunds}", "--project", "acme/else"], " (weave) of acme/else has no run "),
        (["{large, refunds}", "{small, refunds}", "--dataset", "none"], "The destination duckdb (none) has no run "),
        (["{large, refunds}", "{small, refunds}", "--destination", "none"], "There is no destination 'none'."),
    ],
)  # fmt: skip
def test_a_name_that_leads_nowhere_has_a_sentence(
    demo: Demo, capsys: pytest.CaptureFixture[str], names: list[str], sentence: str
) -> None:
    named = [demo.ids[name.strip("{}")] if name.startswith("{") else name for name in names]
    assert main(["compare", *named]) == MISUSED
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.out == ""


def test_what_a_terminal_shows(demo: Demo, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [demo.ids[name] for name in ("large, longer returns", "large, brief prompt")]
    assert main(["compare", *runs, "--metric", "correct", "--rows", "2"]) == DONE
    shown = capsys.readouterr().out
    first, second, *_ = shown.splitlines()
    assert first.startswith("baseline   helpdesk-large (large, longer returns), support-faq, 2026-11-06 10:03, ")
    assert second.startswith("candidate  helpdesk-large (large, brief prompt), support-faq, 2026-11-09 11:47, ")
    assert "96.0 % (80.5 to 99.3)" in shown
    assert "-20.0 (-36.4 to -0.6)" in shown
    assert "correct: 5 rows got worse, the worst 2" in shown
    assert shown.count("\n    candidate  {") == 2
    assert "warning" not in shown


def test_the_api_says_the_same(compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [("large, refunds", "large, refunds again"), ("small, baseline", "small, nightly"),
             ("large, baseline", "large, stricter tone"), ("live-chat-review", V2_RUN)]  # fmt: skip
    with DemoApi() as api:
        monkeypatch.setenv("WANDB_API_KEY", api.key)
        monkeypatch.setenv("WF_TRACE_SERVER_URL", api.url)
        for pair in pairs:
            found = compare(*pair, "--from-api", "--project", PROJECT)
            assert "127.0.0.1" in found["baseline"].pop("url")
            assert plain(found) == plain(compare(*pair))


def plain(found: dict[str, Any]) -> dict[str, Any]:
    """Without the pages in W&B, whose address changes with that of the demo's API."""
    for side in ("baseline", "candidate"):
        found[side].pop("url", None)
    return found


def test_the_api_is_asked_for_runs_by_model(compare: Compare, demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    with DemoApi() as api:
        monkeypatch.setenv("WANDB_API_KEY", api.key)
        monkeypatch.setenv("WF_TRACE_SERVER_URL", api.url)
        run = demo.ids["small, refunds"][:20]
        found = compare("latest:helpdesk-large", run, "--from-api", "--project", PROJECT)
    assert found["baseline"]["run_id"] == demo.ids["large, refunds again"]
    assert found["candidate"]["run_id"] == demo.ids["small, refunds"]


@pytest.fixture
def in_use(demo: Demo) -> Iterator[int]:
    """Another process has the file open; gives its id."""
    code = f"import duckdb, sys; file = duckdb.connect('{FILE}'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=demo.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "open\n"
        yield process.pid
        process.communicate("")


def test_a_file_that_is_loaded_into_is_busy(demo: Demo, in_use: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", demo.ids["large, refunds"], demo.ids["small, refunds"]]) == BUSY
    assert capsys.readouterr().err == (
        f"error: The DuckDB file of the destination 'duckdb' is open in another program (process {in_use}), such as a "
        "load. Nothing was done; run again later.\n"
    )
