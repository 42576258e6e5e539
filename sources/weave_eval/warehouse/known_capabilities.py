"""What dlt asks a destination many times a load, looked up once."""

from __future__ import annotations

from typing import Any, TypeVar

from dlt.common.destination import Destination
from dlt.common.destination.client import DestinationClientConfiguration

_Config = TypeVar("_Config", bound=DestinationClientConfiguration)


class KnownCapabilities(Destination[_Config, Any]):
    """A destination that looks up once the settings that its capabilities depend on.

    dlt asks for the capabilities in each of its steps, and looks through all of its providers each time.
    """

    _partial: _Config | None = None

    def configuration(self, initial_config: _Config, accept_partial: bool = False) -> _Config:  # noqa: FBT001, FBT002 - dlt's signature
        """Dlt's settings; those without credentials, of which the capabilities are made, are remembered."""
        if not accept_partial:
            return super().configuration(initial_config)
        if self._partial is None:
            self._partial = super().configuration(initial_config, accept_partial)
        return self._partial
