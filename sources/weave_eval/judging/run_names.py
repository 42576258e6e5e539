"""How runs are named: by id, by the start of an id, or as the newest completed run of a model."""

from __future__ import annotations

from ..errors import SettingsError
from .run_results import RunFacts, RunSource

LATEST = "latest:"
_MOST_NAMED = 5


def find_pair(
    source: RunSource, baseline: str, candidate: str, evaluation: str | None = None
) -> tuple[RunFacts, RunFacts]:
    """The run to compare with and the run that is compared, by their names.

    `latest:MODEL` is a run of the evaluation and project of the other, and not the other; where both are named so, the
    candidate is the latest one. `evaluation` is the name of the evaluation that `latest:` looks in instead. Raises
    `SettingsError` for a name that fits no run or several.
    """
    if candidate.startswith(LATEST) and not baseline.startswith(LATEST):
        before = find_run(source, baseline, evaluation)
        after = find_run(source, candidate, evaluation, beside=before)
    else:
        after = find_run(source, candidate, evaluation)
        before = find_run(source, baseline, evaluation, beside=after)
    if before.run_id == after.run_id:
        raise SettingsError(f"{baseline} and {candidate} are the same run, {after.run_id}. Name two runs.")
    return before, after


def find_run(source: RunSource, name: str, evaluation: str | None = None, beside: RunFacts | None = None) -> RunFacts:
    """The run of that name. Raises `SettingsError` for a name that fits no run or several.

    `latest:MODEL` looks in `evaluation`, or else in the evaluation and project of the run `beside` it.
    """
    if name.startswith(LATEST):
        return _latest(source, name.removeprefix(LATEST), evaluation, beside)
    found = source.starting_with(name) if name else []
    if not found:
        raise SettingsError(f"{source.place} has no run {name!r}. Name a run by its id, or as {LATEST}MODEL.")
    if len({run.run_id for run in found}) < len(found):
        projects = ", ".join(sorted({run.project_id for run in found}))
        raise SettingsError(f"Several projects have the run {found[0].run_id}: {projects}. Name one with --project.")
    if len(found) > 1:
        some = ", ".join(run.run_id for run in found[:_MOST_NAMED])
        more = ", ..." if len(found) > _MOST_NAMED else ""
        raise SettingsError(f"{name!r} is the start of {len(found)} runs: {some}{more}. Write more of the id.")
    return found[0]


def newer_runs(source: RunSource, name: str, found: RunFacts, evaluation: str | None = None) -> list[RunFacts]:
    """The runs that `latest:MODEL` passed over for the one that was found: newer ones that have not completed."""
    if not name.startswith(LATEST):
        return []
    runs = source.of_model(name.removeprefix(LATEST), evaluation)
    return [run for run in runs if run.project_id == found.project_id and run.started_at > found.started_at]


def _latest(source: RunSource, model: str, evaluation: str | None, beside: RunFacts | None) -> RunFacts:
    wanted = evaluation or (beside.evaluation_name if beside else None)
    found = [
        run
        for run in source.of_model(model, wanted)
        if run.status == "completed"
        and (beside is None or (run.run_id != beside.run_id and run.project_id == beside.project_id))
    ]
    if not found:
        where = f" of the evaluation {wanted!r}" if wanted else ""
        others = f" besides {beside.run_id}" if beside else ""
        raise SettingsError(f"{source.place} has no completed run of a model {model!r}{where}{others}.")
    projects = sorted({run.project_id for run in found})
    if len(projects) > 1:
        raise SettingsError(
            f"Models named {model!r} have runs in several projects ({', '.join(projects)}). Name the run by its id."
        )
    return found[0]
