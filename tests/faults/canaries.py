"""Words that must not be found, and where they are looked for: as they are, encoded, packed, in files and tables."""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

import pyarrow.parquet as pq

from tests.stand_ins.warehouse import Warehouse

KEY = "c4n4ryKey/0f+Weave~7b31d9e58a604f2c"
PASSWORD = "p4ss@Canary:w0rd/of%the+w4rehouse"
INPUT = "blockedCanary <inputs> of a customer"
SECRETS = {"the key": KEY, "the password": PASSWORD, "the input": INPUT}

_PACKED = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")
_DEEPEST = 3


def forms(secret: str) -> set[bytes]:
    """How a secret can stand in a text: itself, escaped for URLs and JSON, in base64 at each of its three offsets."""
    escaped = {quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    found = {secret, *escaped, *(text.lower() for text in escaped)}
    for offset in range(3):
        content = b"\0" * offset + secret.encode()
        whole = content[: len(content) // 3 * 3]
        inner = slice(4 if offset else 0, None)
        found |= {encode(whole).decode()[inner] for encode in (base64.b64encode, base64.urlsafe_b64encode)}
    return {form.encode() for form in found}


FORMS = {name: forms(secret) for name, secret in SECRETS.items()}


def secrets_in(content: bytes | str) -> set[str]:
    """The names of the secrets that a text holds, also within what is packed in it."""
    raw = content.encode("utf-8", "replace") if isinstance(content, str) else content
    parts = list(_unpacked(raw, _DEEPEST))
    return {name for name, words in FORMS.items() if any(word in part for part in parts for word in words)}


def _unpacked(content: bytes, depth: int) -> Iterator[bytes]:
    """The content, and what its base64 and its compression hold."""
    yield content
    if not depth:
        return
    with suppress(zlib.error):
        yield from _unpacked(zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(content), depth - 1)  # zlib or gzip
    for run in _PACKED.findall(content):
        try:
            decoded = base64.b64decode(run, altchars=b"-_" if b"-" in run or b"_" in run else None)
        except binascii.Error:
            continue
        yield from _unpacked(decoded, depth - 1)


def secrets_in_files(folder: Path) -> dict[str, set[str]]:
    """The secrets in the files below a folder, and in their names."""
    found = {str(path): secrets_in(str(path)) | _secrets_in_file(path) for path in folder.rglob("*") if path.is_file()}
    return {path: names for path, names in found.items() if names}


def _secrets_in_file(path: Path) -> set[str]:
    content = path.read_bytes()
    if content[:4] == b"PAR1":
        return secrets_in(content) | secrets_in(repr(pq.read_table(io.BytesIO(content)).to_pylist()))
    return secrets_in(content)


def secrets_in_tables(warehouse: Warehouse, dataset: str) -> dict[str, set[str]]:
    """The secrets in all tables of a dataset and of those beside it, dlt's own among them."""
    places = (
        "SELECT table_schema, table_name FROM information_schema.tables "
        f"WHERE table_schema LIKE '{dataset}%' AND table_type = 'BASE TABLE'"
    )
    tables = [f'"{schema}"."{table}"' for schema, table in warehouse.rows(places)]
    assert any("_dlt_pipeline_state" in table for table in tables)
    found = {table: secrets_in(repr(warehouse.rows(f"SELECT * FROM {table}"))) for table in tables}
    return {table: names for table, names in found.items() if names}
