"""What a client has sent and received so far."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass
class Traffic:
    """What was sent and received: counts, and bytes of bodies after decompression."""

    requests: int = 0
    retries: int = 0
    throttled: int = 0
    bytes_received: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, *, requests: int = 0, retries: int = 0, throttled: int = 0, bytes_received: int = 0) -> None:
        """Adds to the counts, from any thread."""
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.throttled += throttled
            self.bytes_received += bytes_received

    def as_dict(self) -> dict[str, int]:
        """The four counts by name."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}
