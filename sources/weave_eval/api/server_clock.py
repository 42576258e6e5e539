"""How far this machine's clock is from the server's, by the date that every answer carries."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from ..times import in_utc, utc_now

_TOLERANCE = timedelta(minutes=5)


class ServerClock:
    """Remembers how far ahead of the server this machine was with the first answer."""

    def __init__(self) -> None:
        self._ahead: timedelta | None = None

    def hear(self, date: str | None) -> None:
        """Takes the `Date` of an answer that has just come."""
        if date and self._ahead is None:
            moment = _moment(date)
            self._ahead = utc_now() - moment if moment else timedelta(0)

    def warnings(self) -> list[str]:
        """A sentence, if the clocks differ by more than minutes."""
        ahead = self._ahead or timedelta(0)
        if abs(ahead) <= _TOLERANCE:
            return []
        apart = f"{abs(ahead) / timedelta(hours=1):.1f} hours {'ahead of' if ahead > _TOLERANCE else 'behind'}"
        text = f"The clock of this machine is {apart} the clock of Weave's server: set it. Until then, "
        return [text + "the times that loads leave in the tables are wrong."]


def _moment(date: str) -> datetime | None:
    try:
        return in_utc(parsedate_to_datetime(date))
    except ValueError:
        return None
