"""The page: everything that was found, put into the template and written to a file."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from sqlalchemy import inspect

from ..errors import SettingsError
from ..judging.run_names import find_run
from ..warehouse.engine import reading
from ..warehouse.judged_runs import WarehouseRuns
from ..warehouse.profiles import Profile
from . import charts, findings, formats
from .content import TextBudget, clean, name
from .evaluations import MOST_EVALUATIONS, Evaluation, evaluations, leading_models
from .facts import Facts
from .request import Request
from .run_pairs import RunPair, RunPairs
from .sections import Figure, SectionMaker, web_address
from .series_breaks import SeriesBreak, series_breaks
from .spending import Spending, spending
from .view_queries import ViewQueries
from .views import report_views, require_views

_FOLDER = Path(__file__).parent
_SECTIONS = {
    "comparisons": "Versions compared",
    "evaluations": "Evaluations",
    "flaky": "Flaky inputs",
    "changes": "What changed",
    "errors": "Errors and missing scores",
    "spend": "Spend",
    "data": "Freshness and proof",
    "glossary": "Glossary",
}


def warehouse_page(profile: Profile, request: Request) -> str:
    """The report of a profile's warehouse as HTML.

    Raises `SettingsError` for a run or metric that is not there or views that are missing, `DestinationError`, or
    `BusyError` for a DuckDB file that is being loaded into.
    """
    with reading(profile) as connection:
        source = WarehouseRuns(connection, profile)
        reader = None
        if inspect(connection).has_table("evaluation_runs", schema=profile.dataset):
            require_views(connection, profile, source.place)
            reader = ViewQueries(connection, report_views(profile.dataset_of_views))
        return _page(reader, source, request)


def _page(reader: ViewQueries | None, source: WarehouseRuns, request: Request) -> str:
    """The report; without a reader, that of an empty warehouse."""
    run_ids = [find_run(source, run).run_id for run in request.runs]
    facts = reader.facts(request, run_ids) if reader else Facts()
    found = evaluations(facts, request.metric)
    _require_metric(request.metric, found)
    budget = TextBudget()
    run_pairs = RunPairs(source, facts, {one.key: one.lead.label for one in found if one.lead}, budget)
    pairs = [run_pairs.named(*request.compare)] if request.compare else run_pairs.of_versions(found)
    key = charts.Key(leading_models(facts.runs, len(charts.SHAPES)))
    with charts.unchecked():
        return _render(request, found, pairs, SectionMaker(facts, reader, source, budget, key))


def _require_metric(metric: str | None, found: Sequence[Evaluation]) -> None:
    known = sorted({one.label for evaluation in found for one in evaluation.metrics})
    if metric and metric not in known:
        names = formats.listed([name(label) for label in known], 10) or "none"
        raise SettingsError(f"No completed run has a metric {metric!r}; there are: {names}.")


def _render(request: Request, found: Sequence[Evaluation], pairs: Sequence[RunPair], maker: SectionMaker) -> str:
    facts = maker.facts
    changed = series_breaks(found, facts)
    spent = spending(facts.runs)
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    return _template().render(
        request=request,
        facts=facts,
        title=_title(facts, request),
        sections=_SECTIONS,
        style=Markup(style),  # noqa: S704 - a file of this package
        policy=_policy(style),
        key=maker.key,
        counts=Counter(run.status for run in facts.runs),
        findings=_findings(request, facts, pairs, changed),
        pairs=pairs,
        evaluations=[
            maker.evaluation(place, one, [change for change in changed if change.evaluation == one.key])
            for place, one in enumerate(found[:MOST_EVALUATIONS], 1)
        ],
        unshown=[one.key[1] for one in found[MOST_EVALUATIONS:]],
        flaky=maker.flaky(facts.flaky_rows),
        changes=list(reversed(changed)),
        failures=list(maker.failures()),
        gaps=list(maker.gaps()),
        spending=spent,
        spend_figure=_spend_figure(spent, maker.key),
        budget=maker.budget,
    )


def _title(facts: Facts, request: Request) -> str:
    projects = sorted({run.project_id for run in facts.runs} | set(request.projects))
    return formats.listed([name(project) for project in projects], 3) if projects else "no projects yet"


def _findings(
    request: Request, facts: Facts, pairs: Sequence[RunPair], changed: Sequence[SeriesBreak]
) -> list[findings.Finding]:
    every = [
        *findings.of_freshness(facts.freshness, request.generated_at),
        *findings.of_pairs(pairs),
        *findings.of_runs(facts.runs),
        *findings.of_missing_scores(facts.missing_scores, facts.runs),
        *findings.of_flaky_rows(facts.flaky_rows),
        *findings.of_changes(changed),
    ]
    order = ("bad", "warn", "good", "note")
    return sorted(every, key=lambda finding: order.index(finding.level))


def _spend_figure(spent: Spending, key: charts.Key) -> Figure | None:
    drawn = [bucket for bucket in spent.buckets if bucket[1] in key.models]
    if len({start for start, _, _ in drawn}) < 2:
        return None
    return Figure(f"US dollars by {spent.period}", Markup(charts.spend(drawn, spent.period, key)))  # noqa: S704 - made by svg


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters.update(
        {word: getattr(formats, word) for word in ("count", "day", "minute", "money", "seconds", "percent", "number")}
    )
    environment.filters.update({"ago": formats.ago, "name": name, "web_address": web_address})
    return environment.get_template("page.html.j2")


def _finalize(value: Any) -> Any:
    """What no page can hold is taken out of every text; what stands in its place is escaped afterwards."""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _policy(style: str) -> str:
    """What a browser may load for the page: nothing, but for its own style sheet."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
