"""A job of dlt's for a file that a later job reads: nothing is to be done for it."""

from __future__ import annotations

from threading import BoundedSemaphore

from dlt.common.destination.client import HasFollowupJobs, JobClientBase, RunnableLoadJob


class WaitingFile(RunnableLoadJob, HasFollowupJobs):
    """Is done at once, and says so; jobs that are done from the start have the loader wait a second for others."""

    def run_managed(self, job_client: JobClientBase, done_event: BoundedSemaphore, /) -> None:
        """Opens no connection."""
        self._job_client, self._done_event = job_client, done_event
        self._release("completed")

    def run(self) -> None:
        """Does nothing."""
