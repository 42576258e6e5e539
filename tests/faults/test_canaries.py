"""The search for secrets finds them, however they are wrapped."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.faults.canaries import KEY, SECRETS, secrets_in, secrets_in_files

WRAPPED: dict[str, Callable[[str], bytes]] = {
    "raw": str.encode,
    "in a URL": lambda secret: f"postgresql://loader:{quote(secret, safe='')}@db/x".encode(),
    "in JSON": lambda secret: json.dumps({"error": f"<{secret}>"}).encode(),
    "as Basic auth": lambda secret: b"Basic " + base64.b64encode(f"api:{secret}".encode()),
    "at an offset": lambda secret: b"x" + base64.b64encode(f"ab{secret}".encode()),
    "as state": lambda secret: base64.b64encode(zlib.compress(json.dumps({"s": secret}).encode())),
    "gzip": lambda secret: gzip.compress(f"{{{secret}}}".encode()),
    "repr of bytes": lambda secret: repr(base64.b64encode(zlib.compress(secret.encode()))).encode(),
}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("wrapping", WRAPPED)
def test_a_wrapped_secret_is_found(tmp_path: Path, name: str, wrapping: str) -> None:
    content = WRAPPED[wrapping](SECRETS[name])
    assert secrets_in(content) == {name}
    (tmp_path / "file").write_bytes(content)
    assert secrets_in_files(tmp_path) == {str(tmp_path / "file"): {name}}


def test_a_secret_in_a_package_file_is_found(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [f"with {KEY} in it"]}), tmp_path / "x.parquet", compression="zstd")
    assert secrets_in_files(tmp_path) == {str(tmp_path / "x.parquet"): {"the key"}}


def test_what_holds_none_is_clean(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("c4n4ry" + base64.b64encode(b"nothing to be seen here, really").decode())
    assert secrets_in_files(tmp_path) == {}
