"""Keeps the tables as they are now, for the tests of later versions: `python scripts/keep_schema.py VERSION`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dlt.common.schema import Schema

from weave_eval.schema import dlt_schema

FOLDER = Path(__file__).parents[1] / "tests" / "schemas"


def kept_schema(version: str) -> Schema:
    """The tables of a version that was released."""
    return Schema.from_dict(json.loads((FOLDER / f"{version}.json").read_text(encoding="utf-8")))


def keep(version: str) -> None:
    """Writes the present tables; descriptions may change at any time and are left out."""
    stored = dlt_schema().to_dict()
    for table in stored["tables"].values():
        for column in table["columns"].values():
            column.pop("description", None)
    text = json.dumps(stored, indent=1, default=str)
    (FOLDER / f"{version}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    keep(sys.argv[1])
