"""The charts: quality over time, quality against cost, and spend.

Models differ by colour and by shape. The colours are names that the page's style sheet fills in for each theme.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import altair as alt
from altair.utils.schemapi import debug_mode

from .content import short
from .evaluations import Entry, ReportedMetric
from .facts import ReportedRun, Score
from .formats import minute, money, quality, seconds
from .series_breaks import SeriesBreak
from .svg import svg_of

SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
"""Shapes of the models, in the order of their colours `--c0` to `--c5`."""

NARROW, WIDE = 285, 900
_HEIGHT = 200
_MARGIN = 0.04
_ROWS_OF_MARKS = 3


@dataclass(frozen=True)
class Key:
    """Which colour and shape each model has: the place of its name."""

    models: Sequence[str]

    def place(self, model: str) -> str:
        """The number of the model's colour and shape."""
        return str(self.models.index(model))

    def colour(self) -> alt.Color:
        """The encoding of the colour; there is no legend, the page has its own."""
        domain = [str(place) for place in range(len(SHAPES))]
        return alt.Color("model:N", scale=alt.Scale(domain=domain, range=_colours()), legend=None)

    def shape(self) -> alt.Shape:
        """The encoding of the shape."""
        domain = [str(place) for place in range(len(SHAPES))]
        return alt.Shape("model:N", scale=alt.Scale(domain=domain, range=list(SHAPES)), legend=None)


@contextmanager
def unchecked() -> Iterator[None]:
    """Charts are drawn without a check against Vega-Lite's schema at each step: they are the same each time."""
    with debug_mode(arg=False):
        yield


def _data(rows: Sequence[dict[str, Any]]) -> Any:
    return alt.Data(values=list(rows))  # type: ignore[no-untyped-call]


def _colours() -> list[str]:
    return [f"var(--c{place})" for place in range(len(SHAPES))]


def trend(
    metric: ReportedMetric,
    runs: Sequence[tuple[ReportedRun, Score]],
    changes: Sequence[SeriesBreak],
    key: Key,
    width: int,
) -> str:
    """A metric over time, a line a model, which breaks where the scorer changed.

    Hollow points are runs over only some of the inputs.
    """
    points = _trend_points(metric, runs, key, [change.at for change in changes if change.scorer_name])
    domain = _times([run.started_at for run, _ in runs])
    x = alt.X("at:T", title=None, scale=alt.Scale(type="utc", domain=domain), axis=_time_axis(domain, width))
    scale = _scale(metric, points)
    y = alt.Y("value:Q", title=None, scale=scale, axis=_quality_axis(metric))
    full = [point for point in points if point["is_full"]]
    base = alt.Chart(_data(full)).encode(x=x, color=key.colour())
    bars = base.mark_rule(strokeWidth=2, opacity=0.35).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q")
    lines = base.mark_line(strokeWidth=2).encode(y=y, detail="part:N")
    dots = base.mark_point(size=70, opacity=1, filled=True).encode(y=y, shape=key.shape(), description="tip:N")
    tags = base.mark_text(dy=-8, fontWeight=600, baseline="bottom").encode(y=alt.Y("high:Q", scale=scale), text="tag:N")
    partial = [point for point in points if not point["is_full"]]
    hollow = (
        alt.Chart(_data(partial))
        .mark_point(size=70, opacity=1, fill="var(--card)", strokeWidth=1.5)
        .encode(x=x, y=y, color=key.colour(), shape=key.shape(), description="tip:N")
    )
    layers = [*_marks(changes, x, domain), bars, lines, *([hollow] if partial else []), dots, tags]
    return svg_of(_styled(alt.layer(*layers), width), f"{metric.label} over time")


def _trend_points(
    metric: ReportedMetric, runs: Sequence[tuple[ReportedRun, Score]], key: Key, breaks: Sequence[datetime]
) -> list[dict[str, Any]]:
    versions: dict[str, str] = {}
    points = []
    for run, score in runs:
        is_new = run.is_full and versions.get(run.model_name, run.version) != run.version
        if run.is_full:
            versions[run.model_name] = run.version
        points.append(
            {
                "at": _iso(run.started_at),
                "value": score.value,
                "low": score.reach[0],
                "high": score.reach[1],
                "model": key.place(run.model_name),
                "part": sum(at <= run.started_at for at in breaks),
                "is_full": run.is_full,
                "tag": short(run.version, 8) if is_new else "",
                "tip": _trend_tip(metric, run, score),
            }
        )
    return points


def _trend_tip(metric: ReportedMetric, run: ReportedRun, score: Score) -> str:
    value, low, high = (quality(each, is_binary=metric.is_binary) for each in (score.value, score.low, score.high))
    reach = "" if score.low is None else f" ({low} to {high})"
    part = "" if run.is_full else f", only {score.row_count} of the inputs"
    return f"{short(run.model, 60)}: {value}{reach}, {minute(run.started_at)}, {short(run.run_name, 60)}{part}"


def _marks(changes: Sequence[SeriesBreak], x: alt.X, domain: list[str]) -> list[alt.Chart]:
    """A dashed line where something changed, and its name above the plot."""
    values = [
        {
            "at": _iso(change.at),
            "text": short(f"{change.scorer_name} changed" if change.scorer_name else "dataset edited", 22),
            "row": -20 - 14 * (place % _ROWS_OF_MARKS),
            "is_late": _share(_iso(change.at), domain) > 0.55,
        }
        for place, change in enumerate(changes)
    ]
    marks = []
    for is_late in (False, True):
        chosen = [value for value in values if value["is_late"] is is_late]
        if chosen:
            base = alt.Chart(_data(chosen)).encode(x=x)
            text = base.mark_text(align="right" if is_late else "left", fill="var(--muted)", baseline="bottom")
            marks += [base.mark_rule(stroke="var(--muted)", strokeDash=[3, 3], opacity=0.8)]
            marks += [text.encode(y=alt.Y("row:Q", scale=None), text="text:N")]
    return marks


Merit = Literal["cost", "time"]
"""What quality is held against."""

_MERITS: dict[Merit, tuple[str, str]] = {
    "cost": ("US dollars for 1,000 answers", "$~r"),
    "time": ("Median seconds for an answer", "~r"),
}


def frontier(metric: ReportedMetric, entries: Sequence[Entry], key: Key, merit: Merit) -> str:
    """Quality against cost or time, a point an entry of the leaderboard."""
    points = [_frontier_point(metric, entry, key, merit) for entry in entries]
    places = [point["place"] for point in points]
    title, form = _MERITS[merit]
    is_wide = min(places) > 0 and max(places) / min(places) > 50
    scale = alt.Scale(type="log", nice=True, padding=20) if is_wide else alt.Scale(zero=True, padding=20)
    x = alt.X("place:Q", title=title, scale=scale, axis=alt.Axis(format=form, tickCount=4, grid=False))
    heights = _scale(metric, points)
    y = alt.Y("value:Q", title=None, scale=heights, axis=_quality_axis(metric))
    base = alt.Chart(_data(points)).encode(x=x)
    bars = base.mark_rule(strokeWidth=2, opacity=0.35).encode(
        y=alt.Y("low:Q", scale=heights), y2="high:Q", color=key.colour()
    )
    dots = base.mark_point(size=90, opacity=1, filled=True).encode(
        y=y, color=key.colour(), shape=key.shape(), description="tip:N"
    )
    return svg_of(_styled(alt.layer(bars, dots, *_names(points, x, y)), NARROW), f"{metric.label} against {merit}")


def _names(points: Sequence[dict[str, Any]], x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """The names of the points: towards the middle, above those on the frontier and below the others."""
    middle = (min(point["place"] for point in points) + max(point["place"] for point in points)) / 2
    marks = []
    for is_left in (True, False):
        for is_best in (True, False):
            found = [p for p in points if (p["place"] <= middle) is is_left and p["is_best"] is is_best]
            if found:
                mark = alt.Chart(_data(found)).mark_text(
                    align="left" if is_left else "right",
                    dx=8 if is_left else -8,
                    dy=-10 if is_best else 12,
                    fill="var(--ink)",
                )
                marks.append(mark.encode(x=x, y=y, text="name:N"))
    return marks


def _frontier_point(metric: ReportedMetric, entry: Entry, key: Key, merit: Merit) -> dict[str, Any]:
    run, value = entry.run, quality(entry.score.value, is_binary=metric.is_binary)
    cost, latency = 1000 * (run.cost_per_trial or 0.0), run.latency_p50 or 0.0
    return {
        "place": cost if merit == "cost" else latency,
        "value": entry.score.value,
        "low": entry.score.reach[0],
        "high": entry.score.reach[1],
        "model": key.place(run.model_name),
        "name": short(run.model, 26),
        "is_best": entry.is_on_frontier is True,
        "tip": f"{short(run.model, 60)}: {value}, {money(cost)} for 1,000 answers, median {seconds(latency)}",
    }


def spend(buckets: Sequence[tuple[datetime, str, float]], period: str, key: Key) -> str:
    """US dollars by the start of a period and the name of a model, as stacked bars in the order of time."""
    values = [{"at": _period(start, period), "model": key.place(model), "cost": cost} for start, model, cost in buckets]
    order = list(dict.fromkeys(_period(start, period) for start, _, _ in buckets))
    x = alt.X("at:O", title=None, sort=order, axis=alt.Axis(labelAngle=0, labelOverlap=True, ticks=False))
    y = alt.Y("cost:Q", title=None, axis=alt.Axis(format="$~r", tickCount=4, ticks=False, domain=False))
    bars = alt.Chart(_data(values)).mark_bar(cornerRadius=2, width={"band": 0.6})
    coloured = bars.encode(x=x, y=y, color=key.colour(), order=alt.Order("model:N"))
    return svg_of(_styled(coloured, NARROW), "spend over time")


def _period(start: datetime, period: str) -> str:
    return f"{start:%b %Y}" if period == "month" else f"{start.day} {start:%b}"


def _styled(chart: Any, width: int) -> Any:
    """Sizes and colours that all charts share."""
    text = {"labelColor": "var(--muted)", "titleColor": "var(--muted)", "titleFontWeight": "normal"}
    sizes = {"labelFontSize": 12, "titleFontSize": 12, "titlePadding": 8, "labelPadding": 6}
    lines = {"gridColor": "var(--line)", "domainColor": "var(--line)", "tickColor": "var(--line)"}
    return (
        chart.properties(width=width, height=_HEIGHT, background="transparent", padding=4)
        .configure_view(stroke=None)
        .configure_axis(**text, **sizes, **lines)
        .configure_text(fontSize=12)
    )


def _scale(metric: ReportedMetric, points: Sequence[dict[str, Any]]) -> alt.Scale:
    """From 0 to 1 for pass rates, else as far as the intervals reach."""
    if metric.is_binary:
        return alt.Scale(domain=[0, 1])
    low, high = min(point["low"] for point in points), max(point["high"] for point in points)
    space = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
    floor = 0.0 if 0 <= low < (high - low) else low - space
    return alt.Scale(domain=[floor, high + space], nice=True, zero=False)


def _quality_axis(metric: ReportedMetric) -> alt.Axis:
    if metric.is_binary:
        return alt.Axis(labelExpr="round(100 * datum.value) + '\u00a0%'", tickCount=4, ticks=False, domain=False)
    return alt.Axis(format="~s", tickCount=4, ticks=False, domain=False)


def _time_axis(domain: list[str], width: int) -> alt.Axis:
    first, last = (datetime.fromisoformat(each) for each in domain)
    form = "%-d %b" if last - first > timedelta(days=2) else "%-d %b %H:%M"
    return alt.Axis(format=form, tickCount=3 if width < WIDE else 8, grid=False, labelOverlap=True)


def _times(moments: Sequence[datetime]) -> list[str]:
    """The first and the last time with a margin at both ends."""
    first, last = min(moments), max(moments)
    margin = (last - first) * _MARGIN or timedelta(days=1)
    return [_iso(first - margin), _iso(last + margin)]


def _share(moment: str, domain: list[str]) -> float:
    at, first, last = (datetime.fromisoformat(each) for each in (moment, *domain))
    return (at - first) / (last - first)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
