"""How many answers are asked for ahead: as many as it takes for one to be there whenever it is wanted."""

from __future__ import annotations

_FIRST = 8
_FEWEST = 4
_ENOUGH = 4


class Window:
    """The number of requests that are under way or answered and not taken yet: `size`, at most `most`.

    It follows the latency. Each time that no answer is there it grows by one, so that many are asked of an API that is
    slow or far away; each time that more than enough are there it shrinks by one, which leaves the processor to who
    takes them. A refusal (429) halves it.
    """

    def __init__(self, most: int):
        self.size = min(_FIRST, most)
        self._most = most
        self._fewest = min(_FEWEST, most)
        self._refusals = 0

    def note(self, answers: int, refusals: int) -> None:
        """Takes note of the answers that are there, and of the refusals that there were so far."""
        if refusals > self._refusals:
            self.size = max(self._fewest, self.size // 2)
        elif not answers:
            self.size = min(self._most, self.size + 1)
        elif answers > _ENOUGH:
            self.size = max(self._fewest, self.size - 1)
        self._refusals = refusals
