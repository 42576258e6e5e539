"""The one server of this process, and what its routes share."""

import pickle
import threading
from typing import Any

from weave.trace_server.external_to_internal_trace_server_adapter import ExternalTraceServer
from weave.trace_server.trace_server_converter import universal_ext_to_int_ref_converter

from tests.weave_server.identities import Identities
from tests.weave_server.oracle import Oracle
from tests.weave_server.quirks import use_clickhouse_digests
from tests.weave_server.settings import Settings


class Service:
    """W&B's server behind its adapter for external names. Writes go one at a time, under `lock`."""

    def __init__(self) -> None:
        self.start_settings: dict[str, Any] = {}
        self.settings = Settings()
        self.identities = Identities(self.settings)
        self.oracle = Oracle(self.settings)
        self.external = ExternalTraceServer(self.oracle, self.identities)
        self.projects: set[str] = set()
        self.bodies: dict[tuple[str, str], bytes] = {}
        self.lock = threading.Lock()

    def configure(self, **changes: Any) -> None:
        self.settings.update(**changes)
        use_clickhouse_digests(self.settings.quirks)
        self.written()

    def configure_as_started(self) -> None:
        self.configure(**{**vars(Settings()), **self.start_settings})

    def written(self) -> None:
        """Forgets all that was derived from the data."""
        self.oracle.forget_rows()
        self.bodies.clear()

    def dump(self) -> bytes:
        with self.lock:
            return pickle.dumps((self.oracle.state(), self.identities.names, self.projects))

    def load(self, blob: bytes) -> None:
        """Replaces all data by a dump of the same version of weave."""
        with self.lock:
            state, self.identities.names, self.projects = pickle.loads(blob)
            self.oracle.restore(state)
            self.written()

    def internal(self, value: Any) -> Any:
        """The value with `weave:///entity/project/...` refs turned into internal ones."""
        return universal_ext_to_int_ref_converter(value, self.identities.ext_to_int_project_id)

    def is_unknown(self, project: str | None) -> bool:
        return self.settings.strict_projects and project is not None and project not in self.projects


service = Service()
