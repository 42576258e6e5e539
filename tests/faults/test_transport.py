"""The way to Weave: certificates, redirects, proxies, the netrc file, and a key that goes nowhere else."""

from __future__ import annotations

import base64
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.faults.canaries import KEY, secrets_in
from weave_eval.api.client import WeaveClient
from weave_eval.api.credentials import api_key
from weave_eval.api.limiter import RateLimiter
from weave_eval.api.retries import Patience
from weave_eval.errors import ApiError, NotWeaveError, SettingsError, TransientApiError

PATIENCE = Patience(connect_timeout=2.0, read_timeout=2.0, response_timeout=5.0, retry_budget=5.0, max_attempts=3)
BASIC = f"Basic {base64.b64encode(f'api:{KEY}'.encode()).decode()}"
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

Handler = BaseHTTPRequestHandler


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no certificates from the machine; retries follow at once."""
    for name in (*CERTIFICATES, *PROXIES, *map(str.lower, PROXIES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("weave_eval.api.retries.wait_random_exponential", lambda **_: lambda _: 0.0)


@dataclass
class Heard:
    """A server, and what it heard: the requests' first words and headers."""

    url: str = ""
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def authorizations(self, name: str = "Authorization") -> list[str | None]:
        return [headers.get(name) for *_, headers in self.requests]


def well(handler: Handler) -> None:
    answer(handler, 200, b'{"count": 7}')


def answer(handler: Handler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def listening(behave: Callable[[Handler], None] = well, tls: ssl.SSLContext | None = None) -> Iterator[Heard]:
    """A server that behaves so, on a free port, perhaps with TLS."""
    heard = Heard()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.requests.append((self.command, self.path, dict(self.headers)))
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            behave(self)

        do_CONNECT = do_POST  # noqa: N815 - http.server's name

        def handle(self) -> None:
            with suppress(OSError, ValueError):
                super().handle()

        def log_message(self, *_: object) -> None:
            """Write no line a request."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def finish_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
            with suppress(OSError):
                wrapped = tls.wrap_socket(request, server_side=True) if tls else request
                super().finish_request(wrapped, client_address)

    server = Server(("127.0.0.1", 0), Listener)
    heard.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def count(url: str, key: str = KEY) -> object:
    """What a client gives that asks a server."""
    client = WeaveClient(url, key, "acme/support", limiter=RateLimiter(1000.0), patience=PATIENCE)
    try:
        return client.post("/count", {}, msgspec.json.decode, purpose="counting the runs")
    finally:
        client.close()


def refused(url: str) -> ApiError:
    """The error of a client that asks a server."""
    with pytest.raises(ApiError) as caught:
        count(url)
    assert str(caught.value).startswith("counting the runs of acme/support (POST /count) ")
    assert secrets_in(str(caught.value)) == set()
    return caught.value


@dataclass(frozen=True)
class Authority:
    """A certificate authority of a company's own, in a file, and a server's certificate that it signed."""

    file: Path
    context: ssl.SSLContext


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("certificates")
    key, own_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate("a company", key, "a company", key, is_authority=True)
    own = certificate("weave", own_key, "a company", key, is_authority=False)
    (folder / "root.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    private = own_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "own.pem").write_bytes(own.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own.pem")
    return Authority(folder / "root.pem", context)


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool,
) -> x509.Certificate:
    now = datetime.now(timezone.utc)
    subject, signer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, issuer))
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=is_authority, crl_sign=is_authority, **usage), True
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    return made.sign(issuer_key, hashes.SHA256())


def test_a_certificate_that_nobody_knows_is_refused_before_the_key_is_sent(authority: Authority) -> None:
    with listening(tls=authority.context) as weave:
        error = refused(weave.url)
        assert type(error) is NotWeaveError
        assert str(error).endswith(
            f"the TLS certificate of {weave.url} was not accepted (SSLCertVerificationError). "
            "Check the base URL, or name your company's certificates in REQUESTS_CA_BUNDLE."
        )
        assert weave.requests == []


@pytest.mark.parametrize("variable", CERTIFICATES)
def test_a_companys_certificates_are_taken(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(authority.file))
    with listening(tls=authority.context) as weave:
        assert count(weave.url) == {"count": 7}
        assert weave.authorizations() == [BASIC]


def test_a_certificate_for_another_host_is_refused(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    with listening(tls=authority.context) as weave:
        error = refused(weave.url.replace("127.0.0.1", "localhost"))
        assert "was not accepted (SSLCertVerificationError)" in str(error)
        assert weave.requests == []


@pytest.mark.parametrize("variable", CERTIFICATES)
def test_certificates_that_are_not_there_are_named(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "gone.pem"))
    with listening(tls=authority.context) as weave:
        error = refused(weave.url)
        assert type(error) is NotWeaveError
        assert f"invalid path: {tmp_path / 'gone.pem'}. Check REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and" in str(error)
        assert weave.requests == []


def test_certificates_that_are_none_are_no_way_around(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").write_text("no certificate")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "empty.pem"))
    with listening(tls=authority.context) as weave:
        assert "in REQUESTS_CA_BUNDLE." in str(refused(weave.url))
        assert weave.requests == []


@pytest.mark.parametrize("times", [1, 2])
def test_a_tls_connection_that_ends_amid_the_answer_is_tried_again(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Without TLS's own goodbye, as from a machine that was switched off."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))

    def break_off(handler: Handler) -> None:
        if len(weave.requests) > times:
            return well(handler)
        handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"co')
        handler.wfile.flush()
        handler.connection.detach()  # type: ignore[unused-ignore]
        return None

    with listening(break_off, authority.context) as weave:
        assert count(weave.url) == {"count": 7}
        assert len(weave.requests) == times + 1


def test_a_handshake_that_breaks_off_is_tried_again(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    accepted, _ = listener.accept()
                    accepted.recv(1024)
                    accepted.close()
                    tries.append(accepted)

        tries: list[socket.socket] = []
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            error = refused(f"https://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
    assert len(tries) == PATIENCE.max_attempts
    assert type(error) is TransientApiError


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("kind", ["another port", "another host", "another scheme", "itself"])
def test_a_redirect_is_not_followed(status: int, kind: str) -> None:
    with listening() as other:
        places = {
            "another port": other.url,
            "another host": other.url.replace("127.0.0.1", "localhost"),
            "another scheme": other.url.replace("http:", "https:"),
            "itself": "",
        }
        place = f"{places[kind]}/count?key={KEY}"
        with listening(lambda handler: answer(handler, status, Location=place)) as weave:
            error = refused(weave.url)
            assert type(error) is NotWeaveError
            assert str(error).endswith(f"{weave.url} redirects elsewhere, which is not followed. Check the base URL.")
            assert len(weave.requests) == 1
        assert other.requests == []


def test_a_redirect_from_https_to_http_is_not_followed(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    with (
        listening() as other,
        listening(lambda handler: answer(handler, 307, Location=other.url), authority.context) as weave,
    ):
        assert type(refused(weave.url)) is NotWeaveError
        assert other.requests == []


def tunnel(handler: Handler) -> None:
    """Connects to where a CONNECT leads, and carries bytes both ways."""
    host, _, port = handler.path.rpartition(":")
    with socket.create_connection((host, int(port))) as far:
        handler.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        near = handler.connection
        while ready := select.select([near, far], [], [], 5)[0]:
            for one in ready:
                content = one.recv(65536)
                if not content:
                    handler.close_connection = True
                    return
                (far if one is near else near).sendall(content)


def test_a_proxy_for_https_sees_neither_key_nor_path(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    with listening(tls=authority.context) as weave, listening(tunnel) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("http://", "http://pat:pr0xy@"))
        assert count(weave.url) == {"count": 7}
        ((method, path, headers),) = proxy.requests
        assert (method, path) == ("CONNECT", weave.url.removeprefix("https://"))
        assert "Authorization" not in headers
        assert headers["Proxy-Authorization"] == f"Basic {base64.b64encode(b'pat:pr0xy').decode()}"
        assert weave.authorizations() == [BASIC]
        assert weave.authorizations("Proxy-Authorization") == [None]


def test_a_proxy_for_http_is_asked_for_the_whole_url(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert count("http://weave.invalid:81") == {"count": 7}
        assert [path for _, path, _ in proxy.requests] == ["http://weave.invalid:81/count"]


@pytest.mark.parametrize("spared", ["127.0.0.1", "*", "example.org,127.0.0.1"])
def test_a_host_that_no_proxy_names_is_asked_itself(monkeypatch: pytest.MonkeyPatch, spared: str) -> None:
    with listening() as weave, listening() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", spared)
        assert count(weave.url) == {"count": 7}
        assert (len(weave.requests), proxy.requests) == (1, [])


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_password_says_so_once(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    with listening(lambda handler: answer(handler, 407)) as proxy:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", proxy.url.replace("http://", "http://pat:pr0xy@"))
        error = refused(f"{scheme}://weave.invalid")
        assert type(error) is NotWeaveError
        assert "the proxy asks for a user name and a password (407)" in str(error)
        assert "Check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY." in str(error)
        assert "pr0xy" not in str(error)
        assert len(proxy.requests) == 1


@pytest.mark.parametrize("proxy", ["http://", "socks5://pat:pr0xy@127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    error = refused("http://weave.invalid")
    assert "the proxy in the environment cannot be used. Check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY." in str(error)
    assert "pr0xy" not in str(error)


def test_a_proxy_that_is_away_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://pat:pr0xy@127.0.0.1:9")
    error = refused("http://weave.invalid")
    assert str(error).endswith("failed: http://weave.invalid cannot be reached through the proxy.")
    assert type(error) is TransientApiError


def test_the_netrc_file_does_not_replace_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1\n  login pat\n  password other\ndefault\n  login pat\n  password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with listening() as weave:
        assert count(weave.url) == {"count": 7}
        assert weave.authorizations() == [BASIC]


@pytest.mark.parametrize("wrapped", ["raw", "header", "JSON", "escaped"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503])
def test_a_server_that_repeats_the_key_is_not_quoted(status: int, wrapped: str) -> None:
    said = {
        "raw": f"api:{KEY} is not welcome",
        "header": f"headers were Authorization: {BASIC}",
        "JSON": {"loc": ["header", BASIC], "key": KEY},
        "escaped": f"https://api:{KEY.replace('/', '%2F').replace('+', '%2B')}@weave",
    }[wrapped]
    body = msgspec.json.encode({"detail": said})
    with listening(lambda handler: answer(handler, status, body, Retry_After="0")) as weave:
        error = refused(weave.url)
    assert ("***" in str(error)) == (status not in (401, 403))


@pytest.mark.parametrize("key", ["“c4n4ry”", "c4n4ry\nkey", "c4n4 ry", "clé-c4n4ry", "c4n4ry\x00"])
def test_a_key_that_cannot_be_one_is_not_sent(key: str) -> None:
    with pytest.raises(SettingsError, match="holds a character that no key has") as caught:
        api_key(key)
    assert "c4n4" not in str(caught.value)
