"""External `entity/project` names and the server's internal project ids."""

import base64
import hashlib

from weave.trace_server.errors import ProjectNotFound
from weave.trace_server.external_to_internal_trace_server_adapter import IdConverter

from tests.weave_server.settings import Settings


class ForbiddenError(Exception):
    """The key has no access to the entity."""


class Identities(IdConverter):
    """Internal ids are base64 of `ProjectInternalId:<number>`, as the server demands; a hash of the name."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.names: dict[str, str] = {}

    def internal(self, project: str) -> str:
        number = int.from_bytes(hashlib.sha256(project.encode()).digest()[:6], "big")
        made = base64.b64encode(f"ProjectInternalId:{number}".encode()).decode()
        self.names[made] = project
        return made

    def ext_to_int_project_id(self, project_id: str) -> str:
        entity, _, project = project_id.partition("/")
        if not entity or not project:
            raise ProjectNotFound(f"Project {project_id} not found")
        if entity == self.settings.forbidden_entity:
            raise ForbiddenError(project_id)
        return self.internal(project_id)

    def int_to_ext_project_id(self, project_id: str) -> str | None:
        """None for a project that the key cannot read: its refs are sent as `weave-private://` ones."""
        name = self.names.get(project_id)
        if name is None or name.startswith(f"{self.settings.private_entity}/"):
            return None
        return name

    def ext_to_int_run_id(self, run_id: str) -> str:
        return run_id

    def int_to_ext_run_id(self, run_id: str) -> str:
        return run_id

    def ext_to_int_user_id(self, user_id: str) -> str:
        return user_id

    def int_to_ext_user_id(self, user_id: str) -> str:
        return user_id
