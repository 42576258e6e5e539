"""The public API: every name that is exported, with its signature, and that what we ship uses nothing else."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import weave_eval
from tests.checkout import CHECKOUT
from weave_eval.settings import Settings

ERRORS = {
    "ApiError": "WeaveEvalError",
    "BusyError": "WeaveEvalError",
    "DefectError": "WeaveEvalError",
    "DestinationError": "WeaveEvalError",
    "LockedOutError": "WeaveEvalError",
    "MissingKeyError": "SettingsError",
    "NoAccessError": "TerminalApiError",
    "NotFoundError": "TerminalApiError",
    "NotWeaveError": "TerminalApiError",
    "RefusedKeyError": "TerminalApiError",
    "SettingsError": "WeaveEvalError",
    "TerminalApiError": "ApiError",
    "TooHeavyError": "TransientApiError",
    "TransientApiError": "ApiError",
    "UnconfirmedError": "TerminalApiError",
    "WeaveEvalError": "Exception",
}
"""Each error with the one that it is a kind of."""

SIGNATURES = {
    "LoadOptions": "pipelines_dir: str | None = None, wait_seconds: float = 0.0, progress: Progress | None = None, "
    "is_full: bool = False",
    "LoadResult": "project: str, destination: str, dataset: str, report: Report, traffic: dict[str, int], "
    "load_ids: list[str] = ..., unreconciled: list[str] = ..., seconds: float = 0.0",
    "Profile": "name: str, type: str, dataset: str, settings: dict[str, Any], has_views: bool = True, "
    "views_dataset: str | None = None",
    "Verified": "findings: Findings, repair: LoadResult | None, traffic: dict[str, int]",
    "configured_projects": "",
    "load_project": "settings: Settings, profile: Profile, options: LoadOptions = ...",
    "profile": "name: str | None = None, path: Path | None = None, dataset: str | None = None",
    "resolve_settings": "**given: Any",
    "verify_project": "settings: Settings, profile: Profile, options: LoadOptions = ..., *, is_dry_run: bool = False",
    "weave_eval": "project: str = ..., api_key: Optional[TSecretStrValue] = None, base_url: Optional[str] = None, *, "
    "since: Optional[str] = None, until: Optional[str] = None, run_ids: Optional[List[str]] = None, "
    "evaluations: Optional[List[str]] = None, models: Optional[List[str]] = None, settings: Settings = None",
}
RESULT_MEMBERS = {
    "LoadResult": {"as_dict", "error", "rows", "status"},
    "Verified": set(),
}
"""What callers read of results beside their fields."""

SETTINGS = """
    project projects default_destination api_key base_url since until run_ids evaluations models lookback_days
    abandon_after_days only_v2_runs evaluate_ops page_rows max_page_bytes parallelism requests_per_second
    read_timeout_seconds retry_budget_seconds deleted_runs confirm_deletions confirm_server with_costs
    with_predictions privacy privacy_key heartbeat_hours package_runs package_bytes"""


def described(parameter: inspect.Parameter) -> str:
    """A parameter as it is written; defaults only where they are short and the same in every process."""
    stars = "**" if parameter.kind is inspect.Parameter.VAR_KEYWORD else ""
    text = f"{stars}{parameter.name}: {parameter.annotation}"
    if parameter.default is inspect.Parameter.empty:
        return text
    is_plain = parameter.default is None or isinstance(parameter.default, (bool, int, float, str))
    return f"{text} = {parameter.default!r}" if is_plain else f"{text} = ..."


def signature(function: Any) -> str:
    """The parameters of a function or class as they are written."""
    found: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and "*" not in found:
            found.append("*")
        found.append(described(parameter))
    return ", ".join(found)


def test_every_name_is_listed_here() -> None:
    listed = {*ERRORS, *SIGNATURES, "DESTINATIONS_FILE", "Settings"}
    assert set(weave_eval.__all__) == listed
    constants = sorted(name for name in listed if name.isupper())
    assert [name for name in weave_eval.__all__ if name.isupper()] == constants
    assert weave_eval.__all__[len(constants) :] == sorted(listed - set(constants))


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_signatures_stay(name: str) -> None:
    assert signature(getattr(weave_eval, name)) == SIGNATURES[name]


@pytest.mark.parametrize("name", sorted(RESULT_MEMBERS))
def test_results_tell_what_they_told(name: str) -> None:
    kind = getattr(weave_eval, name)
    members = {member for member in vars(kind) if not member.startswith("_")}
    assert members - {field.name for field in fields(kind)} == RESULT_MEMBERS[name]


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_errors_stay_what_they_are(name: str) -> None:
    assert getattr(weave_eval, name).__base__.__name__ == ERRORS[name]


def kinds_of(error: type[Exception]) -> set[str]:
    """Names of the error and of all that are kinds of it."""
    return {error.__name__}.union(*map(kinds_of, error.__subclasses__()))


def test_every_error_that_is_raised_on_purpose_is_exported() -> None:
    assert kinds_of(weave_eval.WeaveEvalError) == ERRORS.keys()


def test_settings_stay() -> None:
    assert list(Settings().get_resolvable_fields()) == SETTINGS.split()
    assert weave_eval.Settings is Settings


def test_the_name_of_the_file_of_destinations_stays() -> None:
    assert weave_eval.DESTINATIONS_FILE == "destinations.toml"


def test_no_other_name_is_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'load_projects'"):
        _ = weave_eval.load_projects


def test_the_package_is_imported_without_dlt() -> None:
    script = "import sys, weave_eval; print([name for name in ('dlt', 'requests', 'duckdb') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def imported(python: str) -> set[str]:
    """What is imported from the package, each name with its module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(python)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "weave_eval"}
        elif isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "weave_eval":
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def python_of(path: Path) -> list[str]:
    """The Python in a file: all of it, or the blocks of a page."""
    text = path.read_text(encoding="utf-8")
    return [text] if path.suffix == ".py" else re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    "path",
    [
        *(CHECKOUT / "pipelines").rglob("*.py"),
        CHECKOUT / "sources" / "weave_eval_pipeline.py",
        CHECKOUT / "sources" / "weave_eval" / "README.md",
        CHECKOUT / "README.md",
        *(CHECKOUT / "docs").rglob("*.md"),
    ],
    ids=lambda path: str(path.relative_to(CHECKOUT)),
)
def test_what_we_ship_imports_only_the_public_api(path: Path) -> None:
    used = set().union(*map(imported, python_of(path)))
    assert used <= {f"weave_eval.{name}" for name in weave_eval.__all__}
