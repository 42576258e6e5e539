"""What can be changed while the server runs."""

import dataclasses
from typing import Any, Literal


@dataclasses.dataclass
class Settings:
    """How the server behaves; every field can be sent to `POST /__config`.

    `nan` is how a stored NaN is written: as null, as the bare token, or by failing. `quirks` answers as W&B's
    ClickHouse server does where its in-memory one differs. `strict_projects` answers 404 for projects never
    written to. `body_cache` keeps bodies until the next write, for measuring a client's speed.
    """

    key: str = "test-key"
    nan: Literal["null", "literal", "error"] = "null"
    quirks: bool = False
    strict_projects: bool = False
    gzip: bool = False
    body_cache: bool = False
    default_entity: str = "acme"
    forbidden_entity: str = "forbidden-team"
    private_entity: str = "secret-team"

    def update(self, **changes: Any) -> None:
        """Raises ValueError for a name that is no setting."""
        unknown = changes.keys() - {field.name for field in dataclasses.fields(self)}
        if unknown:
            raise ValueError(f"No such settings: {', '.join(sorted(unknown))}")
        for name, value in changes.items():
            setattr(self, name, value)
