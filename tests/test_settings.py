from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import dlt
import pytest
from dlt.common.configuration.exceptions import ConfigFieldMissingException
from dlt.common.configuration.providers import ConfigTomlProvider
from dlt.common.configuration.resolve import resolve_configuration

from weave_eval.errors import SettingsError
from weave_eval.settings import Settings, check_project

PREFIX = "SOURCES__WEAVE_EVAL__"


def _resolve(**explicit: Any) -> Settings:
    return resolve_configuration(Settings(), sections=("sources", "weave_eval"), explicit_value=explicit)


def _utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc,arg-type]


def test_every_knob_but_the_project_has_a_default() -> None:
    settings = _resolve(project="acme/support")
    assert settings.project == "acme/support"
    assert (settings.page_rows, settings.parallelism, settings.requests_per_second) == (500, 16, 100.0)
    assert settings.windows().lookback == timedelta(days=14)
    assert settings.windows().abandon_after == timedelta(days=7)
    wanted = settings.run_filter()
    assert (wanted.since, wanted.until, wanted.run_ids, wanted.evaluations, wanted.models) == (None, None, (), (), ())
    assert not settings.only_v2_runs


def test_the_project_has_to_be_named() -> None:
    with pytest.raises(ConfigFieldMissingException, match="project"):
        _resolve()


ENVIRONMENT = {
    "PROJECT": "acme/from-env",
    "API_KEY": "key-1",
    "BASE_URL": "https://two.example",
    "SINCE": "2026-11-03",
    "UNTIL": "2026-11-04T05:06:07Z",
    "RUN_IDS": '["run-8", "run-9"]',
    "EVALUATIONS": '["evaluation-10"]',
    "MODELS": '["model-11"]',
    "LOOKBACK_DAYS": "12.5",
    "ABANDON_AFTER_DAYS": "13.5",
    "ONLY_V2_RUNS": "true",
    "EVALUATE_OPS": '["MyEvaluation.evaluate"]',
    "PAGE_ROWS": "14",
    "MAX_PAGE_BYTES": "15",
    "PARALLELISM": "26",
    "REQUESTS_PER_SECOND": "17.5",
    "READ_TIMEOUT_SECONDS": "18.5",
    "RETRY_BUDGET_SECONDS": "19.5",
    "PACKAGE_RUNS": "20",
    "PACKAGE_BYTES": "24",
    "DELETED_RUNS": "remove",
    "CONFIRM_DELETIONS": "40",
    "CONFIRM_SERVER": "https://acme.wandb.io/traces",
    "WITH_COSTS": "false",
    "WITH_PREDICTIONS": "true",
    "PRIVACY": '["drop trials.output"]',
    "PRIVACY_KEY": "key-21",
    "HEARTBEAT_HOURS": "22.5",
    "PROJECTS": '["acme/a", "acme/b"]',
    "DEFAULT_DESTINATION": "destination-23",
}


def test_every_knob_can_be_set_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(PREFIX + name, value)
    settings = _resolve()
    assert {name.upper() for name in settings} == ENVIRONMENT.keys()
    assert settings.project == "acme/from-env"
    assert settings.api_key == "key-1"
    assert settings.base_url == "https://two.example"
    wanted = settings.run_filter()
    assert wanted.since == _utc(2026, 11, 3)
    assert wanted.until == _utc(2026, 11, 4, 5, 6, 7)
    assert wanted.run_ids == ("run-8", "run-9")
    assert wanted.evaluations == ("evaluation-10",)
    assert wanted.models == ("model-11",)
    assert settings.windows().lookback == timedelta(days=12.5)
    assert settings.windows().abandon_after == timedelta(days=13.5)
    assert settings.only_v2_runs is True
    assert settings.evaluate_ops == ["MyEvaluation.evaluate"]
    assert (settings.page_rows, settings.max_page_bytes, settings.parallelism) == (14, 15, 26)
    assert (settings.requests_per_second, settings.package_runs, settings.package_bytes) == (17.5, 20, 24)
    assert (settings.deleted_runs, settings.with_costs, settings.with_predictions) == ("remove", False, True)
    assert (settings.privacy, settings.privacy_key, settings.heartbeat_hours) == (
        ["drop trials.output"],
        "key-21",
        22.5,
    )
    assert (settings.projects, settings.default_destination) == (["acme/a", "acme/b"], "destination-23")
    patience = settings.patience()
    assert (patience.read_timeout, patience.retry_budget) == (18.5, 19.5)


def test_arguments_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "PROJECT", "acme/from-env")
    monkeypatch.setenv(PREFIX + "PAGE_ROWS", "21")
    settings = _resolve(project="acme/given")
    assert (settings.project, settings.page_rows) == ("acme/given", 21)


@pytest.mark.parametrize("project", ["acme/support", "acme/my project", "a/b"])
def test_a_project_is_an_entity_and_a_name(project: str) -> None:
    assert check_project(project) == project
    assert _resolve(project=project).project == project


@pytest.mark.parametrize(
    "project", ["acme", "acme/", "/support", "/", "acme/a/b", " / ", "https://wandb.ai/acme/support"]
)
def test_anything_else_is_refused_with_a_sentence(project: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _resolve(project=project)
    assert repr(project) in str(caught.value)
    assert "ENTITY/PROJECT" in str(caught.value)


def test_a_whole_entity_is_refused_with_what_to_do() -> None:
    with pytest.raises(SettingsError, match="name each project"):
        _resolve(project="acme/*")


def test_deleted_runs_are_marked_or_removed_and_nothing_else() -> None:
    assert _resolve(project="acme/support").deleted_runs == "mark"
    with pytest.raises(SettingsError, match=r"deleted_runs is 'keep'; it must be mark or remove\."):
        _resolve(project="acme/support", deleted_runs="keep")


@pytest.mark.parametrize("project", [None, "", 7, []])
def test_what_is_no_text_is_no_project(project: Any) -> None:
    with pytest.raises(SettingsError, match="ENTITY/PROJECT"):
        check_project(project)


@pytest.mark.parametrize(
    "name",
    [
        "page_rows",
        "max_page_bytes",
        "parallelism",
        "requests_per_second",
        "package_runs",
        "package_bytes",
        "read_timeout_seconds",
    ],
)
@pytest.mark.parametrize("value", [0, -3])
def test_what_has_to_be_positive_is_checked(name: str, value: int) -> None:
    with pytest.raises(SettingsError) as caught:
        _resolve(project="acme/support", **{name: value})
    assert name in str(caught.value)
    assert str(value) in str(caught.value)
    assert "greater than 0" in str(caught.value)


@pytest.mark.parametrize("name", ["lookback_days", "abandon_after_days", "retry_budget_seconds", "heartbeat_hours"])
def test_a_length_of_time_is_not_negative(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        _resolve(project="acme/support", **{name: -1.0})


@pytest.mark.parametrize("name", ["lookback_days", "abandon_after_days"])
def test_no_length_of_time_is_too_long(name: str) -> None:
    """To watch all runs for ever is a fair wish: it works, or is refused with a sentence."""
    try:
        windows = _resolve(project="acme/support", **{name: 1e12}).windows()
    except SettingsError as error:
        assert name in str(error)  # noqa: PT017
    else:
        assert windows


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-01", _utc(2026, 11, 1)),
        (" 2026-11-01 ", _utc(2026, 11, 1)),
        ("2026-11-01T08:30:00Z", _utc(2026, 11, 1, 8, 30)),
        ("2026-11-01T08:30:00", _utc(2026, 11, 1, 8, 30)),
        ("2026-11-01 08:30:00", _utc(2026, 11, 1, 8, 30)),
        ("2026-11-01T08:30:00+02:00", _utc(2026, 11, 1, 6, 30)),
        ("2026-11-01T08:30:00.123456Z", _utc(2026, 11, 1, 8, 30, 0, 123456)),
        ("", None),
    ],
)
def test_times_are_read_as_people_write_them(text: str, moment: datetime | None) -> None:
    settings = _resolve(project="acme/support", since=text, until=text)
    assert (settings.run_filter().since, settings.run_filter().until) == (moment, moment)


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "01.11.2026", "2026-11-01T25:00:00Z", "1762000000"])
def test_what_is_no_time_is_refused_with_an_example(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _resolve(project="acme/support", **{name: text})
    assert str(caught.value).startswith(f"{name} is {text!r}")
    assert "2026-11-01T08:30:00Z" in str(caught.value)


def test_the_key_is_not_shown() -> None:
    settings = _resolve(project="acme/support", api_key="0123456789abcdef")
    assert settings.api_key == "0123456789abcdef"
    assert "0123456789abcdef" not in str(settings)


def test_what_is_no_setting_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "LOOKBAK_DAYS", "3")
    monkeypatch.setenv(PREFIX + "COLOUR", "blue")
    with pytest.raises(SettingsError) as caught:
        _resolve(project="acme/support")
    assert f"{PREFIX}LOOKBAK_DAYS is not a setting; did you mean lookback_days?" in str(caught.value)
    assert f"{PREFIX}COLOUR is not a setting; see docs/settings.md for those there are." in str(caught.value)


def test_what_is_no_setting_is_refused_in_dlts_files() -> None:
    section = {"privcy": ["drop trials.output"], "extract": {"workers": 2}}
    with dlt_config(section), pytest.raises(SettingsError) as caught:
        _resolve(project="acme/support")
    assert str(caught.value) == "privcy in [sources.weave_eval] of config.toml is not a setting; did you mean privacy?"


def test_tables_in_the_section_are_dlts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "EXTRACT__WORKERS", "2")
    with dlt_config({"extract": {"workers": 2}}):
        assert _resolve(project="acme/support").project == "acme/support"


@contextmanager
def dlt_config(section: dict[str, Any]) -> Iterator[None]:
    """`[sources.weave_eval]` in config.toml, as dlt has read it."""
    (provider,) = [one for one in dlt.config.config_providers if isinstance(one, ConfigTomlProvider)]
    with provider.preserve():
        provider.set_value("weave_eval", section, None, "sources")
        yield
