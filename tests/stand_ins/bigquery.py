"""A stand-in for BigQuery: `bqemulator` in its own process and environment, and credentials that lead to it."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.stand_ins.environments import python_of
from tests.stand_ins.server import Server, free_port

PROJECT = "test-project"


class _TokenHandler(BaseHTTPRequestHandler):
    """Grants every request a token, as Google's token endpoint does for a known key."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        answer = json.dumps({"access_token": "token", "token_type": "Bearer", "expires_in": 3600}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Write no line a request."""


@dataclass(frozen=True)
class BigQuery:
    """A running stand-in: `credentials` (service account JSON) and the `environment` in which they lead to it."""

    credentials: str
    environment: dict[str, str]
    stop: Callable[[], None]

    @classmethod
    def start(cls) -> BigQuery:
        """Start an empty emulator and the token endpoint of its credentials; takes about ten seconds."""
        root = Path(tempfile.mkdtemp(prefix="weave-eval-bigquery-"))
        tokens = ThreadingHTTPServer(("127.0.0.1", 0), _TokenHandler)
        threading.Thread(target=tokens.serve_forever, daemon=True).start()
        port = free_port()
        server = _start_emulator(root, port)

        def stop() -> None:
            server.stop()
            tokens.shutdown()
            tokens.server_close()
            shutil.rmtree(root, ignore_errors=True)

        return cls(_credentials(tokens.server_port), _environment(port, tokens.server_port), stop)


def _start_emulator(root: Path, port: int) -> Server:
    python = python_of("bigquery")
    # DuckDB keeps extensions under HOME: they belong to the environment, not to the user.
    home = python.parents[1] / "home"
    home.mkdir(exist_ok=True)
    program = str(Path(__file__).with_name("bigquery_server.py"))
    return Server.start(
        [str(python), "-P", program, str(port), str(free_port()), PROJECT],
        log=root / "log",
        is_ready=lambda: _answers(f"http://127.0.0.1:{port}/healthz"),
        environment={"HOME": str(home)},
    )


def _environment(port: int, token_port: int) -> dict[str, str]:
    return {
        "BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{port}",
        "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
        # Google's library looks up the account's regions at Google: the token endpoint refuses to be its proxy.
        "https_proxy": f"http://127.0.0.1:{token_port}",
    }


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _credentials(token_port: int) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return json.dumps(
        {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "key",
            "private_key": pem.decode(),
            "client_email": f"tests@{PROJECT}.iam.gserviceaccount.com",
            "token_uri": f"http://127.0.0.1:{token_port}/token",
        }
    )
