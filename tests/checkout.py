"""Where the files of the project are."""

from __future__ import annotations

from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
