"""A place that rows are loaded to, with everything resolved."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Location:
    """A dataset of a warehouse. `credentials` are dlt's, resolved; `database_file` is the file, if it is one."""

    type: str
    dataset: str
    fingerprint: str
    credentials: Any
    database_file: Path | None = None

    @property
    def is_unmade(self) -> bool:
        """Whether it is a file that is not there yet: to look into it would make it."""
        return self.database_file is not None and not self.database_file.exists()

    @property
    def mark(self) -> str:
        """A short hash that tells places apart."""
        where = self.database_file or (self.fingerprint, getattr(self.credentials, "database", ""))
        return hashlib.blake2b(f"{self.type} {where} {self.dataset}".encode(), digest_size=5).hexdigest()
