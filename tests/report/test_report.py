"""`weave-eval report` tells the demo's story, and says so where there is nothing to tell."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.report.conftest import WRITTEN_AT, Write, change
from tests.report.parsed_page import Element, Page
from weave_eval.cli.commands import report as command
from weave_eval.cli.exit_codes import MISUSED
from weave_eval.cli.program import main
from weave_eval.report import charts
from weave_eval.report.evaluations import ranked
from weave_eval.report.svg import svg_of

BRIEF_PROMPT, LONGER_RETURNS = "01a20897-e1ec", "01a20897-e0b5"


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def findings(page: Page) -> list[str]:
    return [plain(item.text) for item in page.section("findings").below("li")]


def cells(row: Element) -> list[str]:
    return [plain(cell.text) for cell in row.children]


def rows(element: Element) -> list[list[str]]:
    return [cells(row) for body in element.below("tbody") for row in body.children]


def card(page: Page, evaluation: str) -> Element:
    """The part of an evaluation."""
    (found,) = [one for one in page.section("evaluations").below("article") if one.below("h3")[0].text == evaluation]
    return found


def test_charts_are_what_vega_lite_knows(
    demo_html: str, demo_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reports draw them unchecked; checked, they are the same."""
    drawn = []

    def check(chart: Any, label: str) -> str:
        chart.to_dict(validate=True)
        drawn.append(label)
        return svg_of(chart, label)

    monkeypatch.setattr(charts, "unchecked", nullcontext)
    monkeypatch.setattr(charts, "svg_of", check)
    monkeypatch.chdir(demo_file.parent)
    file = tmp_path / "report.html"
    assert main(["report", "--out", str(file), "--generated-at", WRITTEN_AT]) == 0
    assert len(drawn) > 5
    assert file.read_text(encoding="utf-8") == demo_html


def test_regression_comes_first(demo_page: Page) -> None:
    first = findings(demo_page)[0]
    assert first.startswith("Problem helpdesk-large v1 on support-faq: Worse than helpdesk-large v0")
    assert "run of 9 Nov 2026" in first
    assert "correct fell from 96 % to 76 %: 5 worse of 25 inputs" in first
    assert "tone.tone.polite fell from 100 % to 4 %: 24 worse of 25 inputs, more than chance explains" in first


@pytest.mark.parametrize(
    "sentence",
    [
        "The run “large, handovers counted” of 13 Nov 2026 failed: ZeroDivisionError: division by zero",
        "1 answer could not be given or scored, in “small, nightly”.",
        "The run “large, weekly” of 20 Nov 2026 has not ended",
        "1 input passed in some answers and failed in others with the same version of helpdesk-large.",
        "The scorer tone has a new version since 12 Nov 2026",
        "The dataset was edited since 6 Nov 2026",
    ],
)
def test_what_else_stands_out(demo_page: Page, sentence: str) -> None:
    assert any(sentence in finding for finding in findings(demo_page))


def test_nothing_else_is_called_better_or_worse(demo_page: Page) -> None:
    assert sum(finding.startswith(("Problem", "Good")) for finding in findings(demo_page)) == 1


def test_worse_rows_show_inputs_and_both_answers(demo_page: Page) -> None:
    article = demo_page.section("comparisons").below("article")[0]
    first = article.below("details")[0]
    assert first.below("summary")[0].text.startswith("Can I change the address after ordering?")
    assert "correct: passed → failed" in first.text
    assert "until the parcel is packed" in first.text
    before, after = (one.text for one in first.below("div") if one.attributes.get("class") == "answer")
    assert before.startswith("Before: helpdesk-large v0")
    assert "under My orders" in before
    assert after.startswith("After: helpdesk-large v1")
    assert "You can change the address at any time." in after


def test_metrics_of_another_scorer_are_no_evidence(demo_page: Page) -> None:
    article = next(one for one in demo_page.section("comparisons").below("article") if "stricter tone" in one.text)
    assert "The scorer 'tone' has another version" in article.text
    sentences = [item.text for item in article.below("li")]
    assert [plain(one) for one in sentences] == [
        "correct rose from 76 % to 96 %: 5 better of 25 inputs, which may still be chance (p = 0.062)."
    ]


def test_leaderboard(demo_page: Page) -> None:
    table = card(demo_page, "refund-policy").below("table")[0]
    found = rows(table)
    assert [row[:2] for row in found] == [
        ["1", "helpdesk-large v1 best value"],
        ["2", "helpdesk-large v0"],
        ["3", "helpdesk-small v0 best value"],
    ]
    assert [row[2].partition(" (")[0] for row in found] == ["100 %", "96 %", "75 %"]
    assert all(re.search(r"\(\d+ to \d+\)$", row[2]) for row in found)
    assert found[0][4:6] == ["$0.30", "1.13 s"]


def test_leaderboard_is_that_of_the_views(demo_page: Page, demo_file: Path) -> None:
    query = """
SELECT l.evaluation_name, l.rank, l.model_name || ' v' || m.version_index, f.is_on_frontier
FROM weave.fct_leaderboard AS l JOIN weave.dim_models AS m USING (model_id)
LEFT JOIN weave.fct_frontier AS f ON f.run_id = l.run_id AND f.metric = l.metric
WHERE l.is_newest_evaluation AND l.metric = 'correct' ORDER BY ALL"""
    with duckdb.connect(str(demo_file), read_only=True) as connection:
        expected = connection.execute(query).fetchall()
    assert {name for name, *_ in expected} == {"live-chats-evaluation", "refund-policy", "support-faq"}
    for evaluation in {name for name, *_ in expected}:
        found = rows(card(demo_page, evaluation).below("table")[0])
        of_view = [(str(rank), model) for name, rank, model, _ in expected if name == evaluation]
        assert [(row[0], row[1].removesuffix(" best value")) for row in found] == of_view
        on_frontier = [best for name, *_, best in expected if name == evaluation]
        if False in on_frontier:
            assert ["best value" in row[1] for row in found] == on_frontier


def test_hardest_inputs_are_those_of_the_view(demo_page: Page, demo_file: Path) -> None:
    query = """
SELECT d.inputs ->> '$.question' FROM weave.fct_worst_rows AS w JOIN weave.dataset_rows AS d USING (row_digest)
WHERE w.evaluation_name = 'refund-policy' AND w.metric = 'correct' AND w.failed_model_count > 0"""
    with duckdb.connect(str(demo_file), read_only=True) as connection:
        expected = {question for (question,) in connection.execute(query).fetchall()}
    details = card(demo_page, "refund-policy").below("details")
    examples = [one for one in details if one.attributes["class"] == "example"]
    assert {one.below("summary")[0].below("span")[0].text for one in examples} == expected
    assert "helpdesk-small v0: failed" in examples[0].text
    assert "helpdesk-large v0: passed" in examples[0].text


def test_all_runs_are_in_the_tables(demo_page: Page) -> None:
    table = card(demo_page, "support-faq").below("table")[-1]
    found = rows(table)
    assert len(found) == 10
    assert found[0][1:5] == ["large, weekly", "helpdesk-large v0", "running", "9"]
    assert found[1][1:5] == ["support-faq", "helpdesk-large v0", "completed, partial", "6"]


def test_charts_say_which_run_a_point_is(demo_page: Page) -> None:
    titles = [plain(title.text) for title in card(demo_page, "support-faq").below("title")]
    assert "helpdesk-large v1: 76 % (57 % to 89 %), 9 Nov 2026, 11:47 UTC, large, brief prompt" in titles
    drawn = card(demo_page, "support-faq").below("svg")
    assert all(svg.attributes.get("role") == "img" or "aria-hidden" in svg.attributes for svg in drawn)
    texts = {text.text for svg in drawn for text in svg.below("text")}
    assert {"v1", "v0", "dataset edited", "tone changed"} <= texts


def test_flaky_row(demo_page: Page) -> None:
    text = plain(demo_page.section("flaky").text)
    assert re.search(
        r"Is shipping refunded too\? helpdesk-large v0, correct: \d of \d answers? passed in \d runs?", text
    ), text
    assert "Shipping is never refunded." in text


def test_changes(demo_page: Page) -> None:
    found = rows(demo_page.section("changes"))
    assert [row[:3] for row in found] == [
        ["12 Nov 2026", "support-faq", "The scorer tone has a new version"],
        ["6 Nov 2026", "support-faq", "The dataset was edited"],
    ]
    assert "tone.tone.score of helpdesk-small v0 went from 0.73 to 0.239, on the same 22 inputs." in found[0][3]
    assert "No effect on tone.length and tone.tone.polite." in found[0][3]
    assert found[1][3] == "2 inputs added, 1 removed, 23 the same as before."


def test_errors_and_missing_scores(demo_page: Page) -> None:
    failures, gaps = (rows(table) for table in demo_page.section("errors").below("table"))
    assert failures[0][:3] == ["large, handovers counted 13 Nov 2026", "helpdesk-large v0", "the run"]
    assert failures[1][2] == "Does the lamp work with 110 volts?"
    assert "TimeoutError: helpdesk backend gave no answer within 30 s" in failures[1][3]
    assert [row[3] for row in gaps] == ["6 of 6", "1 of 6", "1 of 24"]
    assert gaps[2][4] == "correct: 57 % → 54 %, tone.tone.polite: 52 % → 50 %"


def test_spend(demo_page: Page, demo_file: Path) -> None:
    with duckdb.connect(str(demo_file), read_only=True) as connection:
        ((total,),) = connection.execute("SELECT sum(total_cost) FROM weave.evaluation_runs").fetchall()
    assert rows(demo_page.section("spend"))[-1][-1] == f"${total:.3f}" == "$0.095"
    assert "2 runs report no cost and are not included in the totals" in plain(demo_page.section("spend").text)


def test_freshness(demo_page: Page) -> None:
    text = plain(demo_page.section("data").text)
    assert "15 runs in total; 1 of them has not ended, and its numbers may change." in text
    assert "Every ended run that was compared with Weave matches it." in text
    assert "written 24 Nov 2026, 08:00 UTC" in plain(demo_page.text)


@pytest.mark.usefixtures("demo_copy")
def test_equal_data_make_equal_pages(write: Write, demo_html: str, tmp_path: Path) -> None:
    write()
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == demo_html


@pytest.mark.usefixtures("demo_copy")
def test_compare_named_runs_within_a_choice_of_runs(write: Write) -> None:
    options = ("--run", BRIEF_PROMPT, "--run", LONGER_RETURNS, "--compare", BRIEF_PROMPT, "latest:helpdesk-small")
    page = write(*options, "--metric", "tone.tone.polite")
    (article,) = page.section("comparisons").below("article")
    assert article.below("h3")[0].text == "helpdesk-large v1 → helpdesk-small 7KcY7P"
    table = card(page, "support-faq").below("table")[0]
    assert [row[1:3] for row in rows(table)] == [
        ["helpdesk-large v0", "100 % (87 to 100)"],
        ["helpdesk-large v1", "4 % (1 to 20)"],
    ]
    assert "2 runs from 6 Nov 2026 to 9 Nov 2026" in plain(page.text)


@pytest.mark.usefixtures("demo_copy")
def test_since_and_project(write: Write) -> None:
    assert "4 runs from 17 Nov 2026 to 20 Nov 2026" in plain(write("--since", "2026-11-17").text)
    assert "No run matches what was asked for, projects acme/other." in write("--project", "acme/other").text


def test_runs_that_disagree_with_weave_are_a_problem(demo_copy: Path, write: Write) -> None:
    change(demo_copy, [f"UPDATE reconciliations SET is_reconciled = false WHERE run_id LIKE '{BRIEF_PROMPT}%'"])
    page = write()
    assert any("1 run does not match what Weave reports" in finding for finding in findings(page))
    assert "1 ended run does not match what Weave reports" in plain(page.section("data").text)


def test_no_run_has_completed(demo_copy: Path, write: Write) -> None:
    change(demo_copy, ["UPDATE evaluation_runs SET status = 'running', finished_at = NULL, error = NULL"])
    page = write()
    assert "No run of this evaluation has completed yet." in card(page, "refund-policy").text
    assert "No model has a new version" in page.section("comparisons").text


def test_metrics_that_are_texts_only(demo_copy: Path, write: Write) -> None:
    change(demo_copy, ["DELETE FROM scores WHERE value_type <> 'text' AND scorer_name <> 'resolution'"])
    assert "The scores of this evaluation are texts, which have no average;" in card(write(), "support-faq").text


@pytest.mark.parametrize("number", [1e160, 1.5e308])
def test_an_extreme_number_spoils_its_own_metric_alone(demo_copy: Path, write: Write, number: float) -> None:
    metric = "scorer_name = 'tone' AND path = 'length'"
    costs = f"SET total_cost = {number} WHERE total_cost IS NOT NULL"
    change(
        demo_copy,
        [
            f"UPDATE scores SET value_number = {number} WHERE {metric}",
            f"UPDATE trials {costs}",
            f"UPDATE evaluation_runs {costs}",
        ],
    )
    page = write()
    found = card(page, "support-faq")
    assert "Left out where they hold numbers too large to compute with: tone.length." in plain(found.text)
    assert rows(found.below("table")[0])[0][2].startswith("9")
    assert "No run reports a cost." in page.section("spend").text


def test_means_that_only_rounding_tells_apart_share_a_rank() -> None:
    assert ranked([0.1 + 0.2, 0.3, 0.3 - 1e-17, 0.2, 0.1, 0.1]) == [1, 1, 1, 4, 5, 5]


def test_a_mean_of_equal_values_has_no_interval(demo_copy: Path, write: Write) -> None:
    change(demo_copy, ["UPDATE scores SET value_number = 0.3 WHERE path = 'tone.score'"])
    table = card(write("--metric", "tone.tone.score"), "support-faq").below("table")[0]
    assert {row[2] for row in rows(table)} == {"0.3 (\N{EN DASH})"}


def test_a_run_that_mostly_failed_is_not_ranked(demo_copy: Path, write: Write) -> None:
    change(demo_copy, [f"UPDATE trials SET is_error = true WHERE run_id LIKE '{BRIEF_PROMPT}%'"])
    assert "Not ranked, because more than half of their answers failed: “" in plain(card(write(), "support-faq").text)


def test_runs_without_cost(demo_copy: Path, write: Write) -> None:
    change(demo_copy, ["UPDATE evaluation_runs SET total_cost = NULL", "UPDATE trials SET total_cost = NULL"])
    page = write()
    assert "No run reports a cost." in page.section("spend").text
    assert rows(card(page, "refund-policy").below("table")[0])[0][4] == "\N{EN DASH}"
    assert "against cost" not in page.text


def test_empty_warehouse(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "The warehouse has no evaluation runs yet." in write().text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--metric", "nope"], "No completed run has a metric 'nope'; there are: correct, similarity"),
        (["--run", "01a20897-e"], "is the start of 10 runs"),
        (["--compare", "x", "y"], "has no run 'y'"),
        (["--since", "soon"], "--since is 'soon', which is not a time"),
        (["--project", "support-bot"], "name it as ENTITY/PROJECT"),
    ],
)
@pytest.mark.usefixtures("demo_copy")
def test_mistakes_are_told_and_leave_the_file_alone(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "report.html"
    file.write_text("before", encoding="utf-8")
    assert main(["report", "--out", str(file), *options]) == MISUSED
    assert words in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == "before"
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".html" or "report" in each.name] == [file.name]


def test_missing_views(demo_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(demo_copy, ["DROP VIEW fct_missing_scores"])
    assert main(["report", "--out", "report.html"]) == MISUSED
    assert "lacks the views that the report reads (fct_missing_scores). Run weave-eval load once" in (
        capsys.readouterr().err
    )


@pytest.mark.usefixtures("demo_copy")
def test_missing_libraries(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "find_spec", lambda module: None if module == "vl_convert" else object())
    assert main(["report", "--out", "report.html"]) == MISUSED
    assert 'needs vl-convert-python, which is not installed. Install it with: pip install "weave-eval[report]"' in (
        capsys.readouterr().err
    )


@pytest.mark.usefixtures("demo_copy")
def test_place_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder").mkdir()
    assert main(["report", "--out", "folder"]) == MISUSED
    assert "folder cannot be written: Is a directory. Choose another file." in capsys.readouterr().err
    assert main(["report", "--out", "weave_eval.duckdb/report.html"]) == MISUSED
    assert "weave_eval.duckdb/report.html cannot be written" in capsys.readouterr().err
