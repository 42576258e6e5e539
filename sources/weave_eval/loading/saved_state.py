"""What a load leaves in the source's saved state for the next one, package by package."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from typing import Any

from ..state.decisions import PlannedRun, ProjectState, advance, dump_state, forget_runs, load_state, postpone
from ..state.soundness import is_sound
from ..state.unproven import ReadRun, forget, remember
from ..times import utc_now
from .context import LoadContext

SavedState = MutableMapping[str, Any]
"""The source's part of a pipeline's state, which dlt commits with a package."""


def start_over_if_unsound(saved: SavedState) -> None:
    """Empties a state that this version has not written, or that lies in the future."""
    if not is_sound(saved, utc_now()):
        saved.clear()


class ProjectProgress:
    """How far a project was read: from the state of a plan on, or else from the saved one."""

    def __init__(self, context: LoadContext, state: ProjectState | None = None):
        self._context = context
        self._state = state

    def save(
        self,
        saved: SavedState,
        read: Sequence[PlannedRun],
        gone: Collection[str],
        unread: Sequence[PlannedRun] = (),
        trials: Mapping[str, int | None] | None = None,
    ) -> None:
        """Saves that runs were read, with so many `trials`, that others are gone, or have to be read again.

        What a range reads leaves the state as it is.
        """
        projects = saved.setdefault("projects", {})
        if self._context.is_range or not (read or gone or unread):
            return
        now, key = utc_now(), self._context.state_key
        state = self._state or load_state(projects.get(key), now)
        state = postpone(advance(state, read, now, self._context.settings.windows(), trials), unread)
        self._state = forget_runs(state, gone)
        projects[key] = dump_state(self._state)


def save_unproven(saved: SavedState, project: str, read: Iterable[ReadRun], gone: Collection[str]) -> None:
    """Saves that the runs that were read are not proven yet; those that are gone never will be."""
    forget(saved, project, gone)
    remember(saved, project, read)
