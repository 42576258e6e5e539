"""How far requests run ahead: as many as it takes for an answer to be there whenever one is wanted."""

from __future__ import annotations

_FIRST = 8
_FEWEST = 4
_ENOUGH = 8
_IDLE_SECONDS = 0.003


class ReadAhead:
    """How many requests should be under way or answered and not taken yet: `size`, at most `most`.

    It follows the latency. It grows by one each time that nothing could be done but wait for an answer, so that many
    are asked of an API that is slow or far away; a wait during which the process was busy with other answers does not
    count, for more of them would only make it longer. It shrinks by one each time that more than enough answers are
    there. A refusal (429) halves it.
    """

    def __init__(self, most: int):
        self.size = min(_FIRST, most)
        self._most = most
        self._fewest = min(_FEWEST, most)
        self._refusals = 0

    def waited(self, idle_seconds: float) -> None:
        """Takes note of a wait for an answer, and for how much of it the process had nothing to do."""
        if idle_seconds > _IDLE_SECONDS:
            self.size = min(self._most, self.size + 1)

    def found(self, answers: int) -> None:
        """Takes note of the answers that are there."""
        if answers > _ENOUGH:
            self.size = max(self._fewest, self.size - 1)

    def refused(self, refusals: int) -> None:
        """Takes note of the refusals that there were so far."""
        if refusals > self._refusals:
            self.size = max(self._fewest, self.size // 2)
        self._refusals = refusals
