"""Results that lack trials which the calls API counts: read again, then rebuilt from the calls."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from tests.loads import Place, days_ago
from tests.weave_server import damage
from tests.weave_server.fixtures import PROJECT
from tests.weave_server.process import KEY
from weave_eval import LoadOptions, verify_project
from weave_eval.api.client import WeaveClient
from weave_eval.api.limiter import RateLimiter
from weave_eval.loading.verify import Verified
from weave_eval.reading.eval_results import EvalResults
from weave_eval.reading.judged_runs import ApiRuns
from weave_eval.weave.pages import Page, RunSummary


def verify(place: Place) -> Verified:
    return verify_project(place.settings(), place.profile, LoadOptions(pipelines_dir=str(place.folder / "machine")))


def hide_rows(monkeypatch: pytest.MonkeyPatch, kept: int, times: int) -> None:
    """Has results show the first `kept` rows of a run alone, as a lagging server's do, at first."""
    page, summary = EvalResults.page, EvalResults.summary
    left = Counter(page=times, summary=times)

    def lags(what: str) -> bool:
        left[what] -= 1
        return left[what] >= 0

    def short_page(results: EvalResults, *asked: Any) -> Page:
        answer = page(results, *asked)
        if not lags("page"):
            return answer
        return msgspec.structs.replace(answer, rows=answer.rows[:kept], total_rows=kept)

    def short_summary(results: EvalResults, run_id: str) -> Any:
        answer = summary(results, run_id)
        if not lags("summary"):
            return answer
        assert isinstance(answer, RunSummary)
        return msgspec.structs.replace(answer, trial_count=kept, scorer_stats=[]) if kept else None

    monkeypatch.setattr(EvalResults, "page", short_page)
    monkeypatch.setattr(EvalResults, "summary", short_summary)


@pytest.mark.parametrize("kept", [0, 3])
def test_an_answer_that_lags_is_asked_for_again(place: Place, monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    (run_id,) = place.server.bulk(PROJECT, rows=6, scorers=0)
    hide_rows(monkeypatch, kept, times=1)
    result = place.load()
    assert (result.status, result.report.warnings) == ("loaded", [])
    assert place.trial_counts() == {run_id: 6}
    assert all(trial["latency_seconds"] is not None for trial in place.tables()["trials"])


@pytest.mark.parametrize("kept", [0, pytest.param(3, marks=pytest.mark.slow)])
def test_answers_that_stay_short_replace_no_right_rows(
    place: Place, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    place.server.bulk(PROJECT, rows=6, scorers=2, start=days_ago(1))
    place.load()
    before = place.tables()
    hide_rows(monkeypatch, kept, times=99)
    result = place.load(is_full=True)
    after = place.tables()
    assert result.status == "loaded"
    assert any(
        "gives fewer trials than it has calls of them; 6 trials were rebuilt" in w for w in result.report.warnings
    )
    for table, keys in (("trials", ("trial_id", "output", "row_digest")), ("scores", ("trial_id", "path", "value"))):
        values = [sorted(str([row.get(key) for key in keys]) for row in one[table]) for one in (before, after)]
        assert values[0] == values[1]
    (proof,) = after["reconciliations"]
    assert (proof["is_reconciled"], proof["trial_call_count"], proof["trial_count"]) == (True, 6, 6)
    assert verify(place).findings.is_clean


def test_trials_of_a_users_own_evaluation_class_are_loaded(place: Place) -> None:
    """Weave's results know the trials of its own class alone; `verify` finds them as they were read."""
    (run_id,) = place.server.bulk(PROJECT, rows=4, scorers=1, start=days_ago(1))
    for trial_id in damage.trial_ids(place.server, PROJECT, run_id):
        op = f"weave:///{PROJECT}/op/RetryingEvaluation.predict_and_score:abc"
        place.server.patch_call(PROJECT, trial_id, op_name=op)
    result = place.load()
    assert result.status == "loaded"
    assert place.trial_counts() == {run_id: 4}
    assert [(row["is_reconciled"], row["row_count"]) for row in place.tables()["reconciliations"]] == [(True, 4)]
    assert verify(place).findings.is_clean
    limiter = RateLimiter(1000)
    runs = ApiRuns(place.settings(), WeaveClient(place.server.url, KEY, PROJECT, limiter=limiter))
    judged = runs.results(runs.starting_with(run_id)[0])
    assert (judged.run.is_reconciled, len(judged.rows)) == (True, 4)
