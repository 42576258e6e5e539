"""A DuckDB file that another program writes to: nobody else can open it then."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ..destinations import Profile
from ..errors import BusyError, DestinationError

_LOCKED = "Could not set lock on file"
_HOLDER = re.compile(r"Conflicting lock is held in .*?\(PID (\d+)\)")


@contextmanager
def busy_if_in_use(profile: Profile) -> Iterator[None]:
    """Turns the error about a file that is in use into `BusyError`, which says so in a sentence."""
    try:
        yield
    except DestinationError as error:
        if _LOCKED not in str(error):
            raise
        holder = _HOLDER.search(str(error))
        who = f" (process {holder[1]})" if holder else ""
        raise BusyError(
            f"The DuckDB file of the destination {profile.name!r} is open in another program{who}, such as a load. "
            "Nothing was done; run again later."
        ) from None
