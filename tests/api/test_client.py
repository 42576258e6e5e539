from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_eval.api import retries
from weave_eval.api.client import WeaveClient
from weave_eval.api.limiter import RateLimiter
from weave_eval.api.retries import Patience
from weave_eval.errors import (
    ApiError,
    NoAccessError,
    NotFoundError,
    NotWeaveError,
    RefusedKeyError,
    TerminalApiError,
    TooHeavyError,
    TransientApiError,
    UnreadableBodyError,
)

KEY = "5ec2e7-0123456789abcdef"
WHAT = "counting the runs of acme/support (POST /count)"
PATIENCE = Patience(connect_timeout=0.3, read_timeout=0.25, response_timeout=0.6, retry_budget=5.0, max_attempts=4)

Handler = BaseHTTPRequestHandler
Answer = Callable[[Handler], None]


@dataclass
class Server:
    """A server that gives scripted answers in order, the last one for ever."""

    script: list[Answer]
    url: str = ""
    seen: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, handler: Handler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        request = {"path": handler.path, "headers": dict(handler.headers), "body": handler.rfile.read(length)}
        self.seen.append(request)
        self.script[min(len(self.seen), len(self.script)) - 1](handler)


def reply(
    status: int = 200, body: bytes = b'{"count": 7}', content_type: str = "application/json", **headers: str
) -> Answer:
    def send(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Connection": "close",
            **headers,
        }.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return send


def refusal(status: int, reason: str, **headers: str) -> Answer:
    return reply(status, json.dumps({"reason": reason}).encode(), **headers)


def reset(before: bytes = b"") -> Answer:
    """Resets the connection, after some raw bytes if any."""

    def send(handler: Handler) -> None:
        if before:
            handler.wfile.write(before)
            handler.wfile.flush()
            time.sleep(0.05)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.rfile.close()
        handler.connection.close()

    return send


def short(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "999")
    handler.end_headers()
    handler.wfile.write(b'{"count": 7')


def cut_chunks(handler: Handler) -> None:
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"co\r\n')


def hang(handler: Handler) -> None:
    time.sleep(0.4)
    handler.wfile.write(b"")


def hang_amid(handler: Handler) -> None:
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"co')
    handler.wfile.flush()
    time.sleep(0.4)


def trickle(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(12):
        handler.wfile.write(b"1\r\n \r\n")
        handler.wfile.flush()
        time.sleep(0.1)


def trickle_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(12):
        handler.wfile.write(f"X-{number}: x\r\n".encode())
        handler.wfile.flush()
        time.sleep(0.1)


MID_BODY = b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"co'


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, and retries that follow at once."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    def at_once(**_: float) -> Callable[[object], float]:
        return lambda _: 0.001

    monkeypatch.setattr(retries, "wait_random_exponential", at_once)


@pytest.fixture
def server() -> Iterator[Server]:
    scripted = Server([])

    class Scripted(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.close_connection = True
            with suppress(OSError):
                scripted.answer(self)

        def do_GET(self) -> None:
            self.do_POST()

        def handle(self) -> None:
            with suppress(OSError, ValueError):
                super().handle()

        def finish(self) -> None:
            with suppress(OSError, ValueError):
                super().finish()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            del format, args

    class Listening(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    http = Listening(("127.0.0.1", 0), Scripted)
    scripted.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield scripted
    http.shutdown()
    thread.join()
    http.server_close()


class Pauses(RateLimiter):
    """A limiter that does not wait; it remembers how long it was asked to pause, and its rate."""

    def __init__(self) -> None:
        super().__init__(1000.0, sleep=lambda _: None)
        self.pauses: list[float] = []
        self.successes = 0

    def refused(self, seconds: float) -> None:
        self.pauses.append(seconds)
        super().refused(seconds)

    def succeeded(self) -> None:
        self.successes += 1
        super().succeeded()


def _client(url: str, patience: Patience = PATIENCE, limiter: RateLimiter | None = None) -> WeaveClient:
    return WeaveClient(url, KEY, "acme/support", limiter=limiter or Pauses(), patience=patience)


def _count(client: WeaveClient, **options: Any) -> Any:
    return client.post("/count", {"ask": "all"}, msgspec.json.decode, purpose="counting the runs", **options)


def _fail(client: WeaveClient, **options: Any) -> ApiError:
    """The error of a request that fails; it names the request and keeps the key to itself."""
    with pytest.raises(ApiError) as caught:
        _count(client, **options)
    error = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(client) + repr(vars(client))
    assert KEY not in shown
    assert str(error).startswith(WHAT)
    return error


def test_an_answer_is_parsed_and_counted(server: Server) -> None:
    server.script = [reply()]
    limiter = Pauses()
    client = _client(server.url + "/", limiter=limiter)
    assert _count(client) == {"count": 7}
    assert client.traffic.as_dict() == {"requests": 1, "retries": 0, "throttled": 0, "bytes_received": 12}
    assert (limiter.pauses, limiter.successes) == ([], 1)
    (request,) = server.seen
    assert (request["path"], request["body"]) == ("/count", b'{"ask":"all"}')
    assert request["headers"]["Content-Type"] == "application/json"
    assert request["headers"]["Authorization"].startswith("Basic ")
    client.close()


def test_a_parameter_may_repeat(server: Server) -> None:
    server.script = [reply()]
    params = [("evaluations", "a,b"), ("evaluations", "c d"), ("limit", "9")]
    assert _client(server.url).get("/runs", msgspec.json.decode, purpose="listing", params=params) == {"count": 7}
    assert server.seen[0]["path"] == "/runs?evaluations=a%2Cb&evaluations=c+d&limit=9"


def test_a_compressed_answer_is_unpacked_and_counted_unpacked(server: Server) -> None:
    server.script = [reply(body=gzip.compress(b'{"count": 123456}'), Content_Encoding="gzip")]
    client = _client(server.url)
    assert _count(client) == {"count": 123456}
    assert client.traffic.bytes_received == len(b'{"count": 123456}')


def test_names_are_quoted_in_v2_paths() -> None:
    client = WeaveClient("http://x", KEY, "acme/my project?", limiter=Pauses())
    assert client.v2_path("evaluation_runs") == "/v2/acme/my%20project%3F/evaluation_runs"


PASSING = {
    "429": refusal(429, "slow down", Retry_After="0"),
    "500": refusal(500, "Internal server error"),
    "502 html": reply(502, b"<html>Bad Gateway</html>", "text/html"),
    "503": refusal(503, "overloaded"),
    "408": refusal(408, "timeout"),
    "425": refusal(425, "early"),
    "reset before": reset(),
    "reset amid": reset(MID_BODY),
    "short": short,
    "cut chunks": cut_chunks,
    "garbage": reply(body=b'{"count": '),
    "empty": reply(body=b""),
    "not HTTP": lambda handler: handler.wfile.write(b"garbage\r\n\r\n") and None,
    "wrong gzip": reply(body=b"not gzip", Content_Encoding="gzip"),
    "hanging": hang,
    "hanging amid": hang_amid,
}


@pytest.mark.parametrize("failure", PASSING.values(), ids=PASSING)
def test_what_passes_is_tried_again(server: Server, failure: Answer) -> None:
    server.script = [failure, reply()]
    client = _client(server.url)
    assert _count(client) == {"count": 7}
    assert len(server.seen) == client.traffic.requests == 2
    assert client.traffic.retries == 1
    assert server.seen[0]["body"] == server.seen[1]["body"]


@pytest.mark.parametrize(
    ("failure", "status", "tries", "sentence"),
    [
        ("429", 429, 4, "failed with 429 (slow down)."),
        ("500", 500, 3, "failed with 500 (Internal server error)."),
        ("502 html", 502, 3, "failed with 502."),
        ("503", 503, 4, "failed with 503 (overloaded)."),
        ("408", 408, 3, "failed with 408 (timeout)."),
        ("reset before", None, 4, "{url} cannot be reached (ConnectionResetError)."),
        ("reset amid", None, 4, "{url} broke off the answer."),
        ("short", None, 4, "{url} broke off the answer."),
        ("cut chunks", None, 4, "{url} broke off the answer."),
        ("garbage", 200, 4, "the answer could not be read (Input data was truncated)."),
        ("empty", 200, 4, "the answer could not be read (Input data was truncated)."),
        ("not HTTP", None, 4, "{url} cannot be reached (BadStatusLine)."),
        ("wrong gzip", None, 4, "{url} sent a body that cannot be decompressed."),
        ("hanging", 408, 3, "no answer from {url} in time."),
        ("hanging amid", 408, 3, "no answer from {url} in time."),
    ],
)
def test_what_does_not_pass_is_given_up_with_a_sentence(
    server: Server, failure: str, status: int | None, tries: int, sentence: str
) -> None:
    server.script = [PASSING[failure]]
    limiter = Pauses()
    error = _fail(_client(server.url, limiter=limiter), has_alternative=True)
    assert type(error) is TransientApiError
    assert error.status == status
    assert str(error).endswith(sentence.format(url=server.url))
    assert len(server.seen) == tries
    assert limiter.successes == 0


@pytest.mark.parametrize("failure", ["500", "502 html", "408", "hanging"])
def test_a_server_error_is_waited_out_where_nothing_else_can_be_done(server: Server, failure: str) -> None:
    server.script = [PASSING[failure]] * 3 + [reply()]
    assert _count(_client(server.url)) == {"count": 7}
    assert len(server.seen) == 4


def test_a_404_whose_reason_was_lost_on_the_way_is_asked_again(server: Server) -> None:
    server.script = [reply(404, b'{"reason": "Eval'), refusal(404, "Evaluation run not found")]
    error = _fail(_client(server.url))
    assert type(error) is NotFoundError
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        (reply(401, b'{"detail": "no"}'), RefusedKeyError, "the API key was refused by {url}. Check it."),
        (refusal(403, "Forbidden"), NoAccessError, "this API key has no access to it."),
        (refusal(404, "Project not found"), NotFoundError, "failed: Project not found"),
        (reply(404, b'{"detail": "Not Found"}'), NotWeaveError, "{url} is not Weave's API. Check the base URL."),
        (reply(404, b"<html>", "text/html"), NotWeaveError, "{url} is not Weave's API. Check the base URL."),
        (reply(405, b"no"), NotWeaveError, "{url} is not Weave's API. Check the base URL."),
        (refusal(400, "bad query"), TerminalApiError, "was refused with 400 (bad query)."),
        (reply(422, b'{"detail": [{"loc": ["x"]}]}'), TerminalApiError, "was refused with 422 ([{{'loc': ['x']}}])."),
        (reply(409, b"[]"), TerminalApiError, "was refused with 409 ([])."),
        (reply(501, b""), TerminalApiError, "was refused with 501 (no reason given)."),
        (
            reply(302, b"", Location="https://login.example"),
            NotWeaveError,
            "{url} redirects elsewhere, which is not followed. Check the base URL.",
        ),
        (reply(308, b"", Location="/other"), NotWeaveError, "which is not followed. Check the base URL."),
        (
            reply(200, b"<html>Sign in</html>", "text/html; charset=utf-8"),
            NotWeaveError,
            "{url} answered with a web page. Check the base URL.",
        ),
    ],
)
def test_what_will_not_pass_is_not_tried_again(
    server: Server, answer: Answer, kind: type[ApiError], sentence: str
) -> None:
    server.script = [answer]
    error = _fail(_client(server.url))
    assert type(error) is kind
    assert error.status in (200, 302, 308, 400, 401, 403, 404, 405, 409, 422, 501)
    assert str(error).endswith(sentence.format(url=server.url))
    assert len(server.seen) == 1


def test_a_long_reason_is_cut(server: Server) -> None:
    server.script = [refusal(400, "x" * 5000)]
    assert len(str(_fail(_client(server.url)))) < 450


def test_a_reason_that_repeats_the_key_does_not_show_it(server: Server) -> None:
    server.script = [refusal(400, f"unexpected header: api:{KEY}")]
    assert "unexpected header" in str(_fail(_client(server.url)))


@pytest.mark.parametrize("status", [413, 504])
def test_what_is_too_heavy_is_not_tried_again_as_it_is(server: Server, status: int) -> None:
    server.script = [refusal(status, "limit the scope")]
    error = _fail(_client(server.url), max_bytes=999)
    assert type(error) is TooHeavyError
    assert error.status == status
    assert str(error).endswith(f"failed with {status} (limit the scope).")
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [413, 504])
def test_what_cannot_be_asked_for_in_parts_is_tried_again(server: Server, status: int) -> None:
    server.script = [refusal(status, "limit the scope")]
    assert type(_fail(_client(server.url))) is TooHeavyError
    assert len(server.seen) == 3


def test_an_answer_that_is_too_large_is_given_up(server: Server) -> None:
    server.script = [reply(body=b" " * 1000)]
    error = _fail(_client(server.url), max_bytes=999)
    assert type(error) is TooHeavyError
    assert str(error).endswith("the answer is larger than 999 bytes.")
    assert len(server.seen) == 1


def test_an_answer_of_just_the_allowed_size_is_taken(server: Server) -> None:
    server.script = [reply()]
    assert _count(_client(server.url), max_bytes=12) == {"count": 7}


def test_an_answer_that_takes_for_ever_is_given_up(server: Server) -> None:
    server.script = [trickle]
    error = _fail(_client(server.url), max_bytes=1_000_000)
    assert type(error) is TooHeavyError
    assert "took longer than" in str(error)
    assert len(server.seen) == 1


def test_the_retry_budget_ends_the_tries(server: Server) -> None:
    server.script = [hang]
    error = _fail(_client(server.url, Patience(0.3, 0.1, 1.0, retry_budget=0.15)))
    assert type(error) is TransientApiError
    assert len(server.seen) == 2


def test_nothing_but_the_retry_budget_ends_the_tries(server: Server) -> None:
    server.script = [*[refusal(503, "not now")] * 30, reply()]
    assert _count(_client(server.url, Patience())) == {"count": 7}
    assert len(server.seen) == 31


def test_a_pause_beyond_the_retry_budget_is_not_waited_for(server: Server) -> None:
    server.script = [refusal(429, "slow down", Retry_After="3600")]
    limiter = Pauses()
    error = _fail(_client(server.url, limiter=limiter))
    assert type(error) is TransientApiError
    assert str(error).endswith(
        "failed with 429 (slow down). The API asks to be left alone for 3600 s, which is more than is left of "
        "retry_budget_seconds (5). Load again after that."
    )
    assert (len(server.seen), limiter.pauses) == (1, [])


def test_what_is_too_heavy_stays_so_with_a_pause_beyond_the_retry_budget(server: Server) -> None:
    server.script = [refusal(504, "too much", Retry_After="3600")]
    error = _fail(_client(server.url), max_bytes=999)
    assert (type(error), len(server.seen)) == (TooHeavyError, 1)


def test_long_pauses_are_told_once(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.script = [*[refusal(429, "slow down", Retry_After="40")] * 3, reply()]
    _count(_client(server.url, replace(PATIENCE, retry_budget=100.0)))
    assert [record.getMessage() for record in caplog.records if record.name.startswith("weave_eval")] == [
        f"{WHAT} failed with 429 (slow down). The API asks to be left alone for 40 s; then it is tried again."
    ]


def test_headers_that_take_for_ever_are_given_up(server: Server) -> None:
    server.script = [trickle_headers]
    began = time.monotonic()
    error = _fail(_client(server.url, replace(PATIENCE, retry_budget=0.1)))
    assert type(error) is TransientApiError
    assert str(error).endswith("in time.")
    assert time.monotonic() - began < 1.2


def test_a_client_that_is_closed_ends_what_is_under_way(server: Server) -> None:
    """Whoever waits for an answer, or to ask again, gets an error at once; what is asked later is answered."""
    server.script = [hang, reply()]
    client = _client(server.url, Patience(0.3, 5.0, 5.0, retry_budget=5.0))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(_count, client)
        while not server.seen:
            time.sleep(0.01)
        client.close()
        with pytest.raises(TransientApiError):
            asked.result(timeout=0.35)  # before the server gives up hanging
    assert _count(client) == {"count": 7}
    assert len(server.seen) == 2


def _pauses(server: Server, retry_after: str | None, status: int = 429) -> Pauses:
    headers = {} if retry_after is None else {"Retry_After": retry_after}
    server.script = [refusal(status, "slow down", **headers), reply()]
    limiter = Pauses()
    client = _client(server.url, replace(PATIENCE, retry_budget=100_000), limiter=limiter)
    _count(client)
    assert client.traffic.throttled == len(limiter.pauses)
    return limiter


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("3", 3.0), ("0.5", 0.5), ("0", 0.0), ("-4", 0.0), ("9999", 9999.0), (None, 1.0), ("soon", 1.0)],
)
def test_a_429_slows_every_request_down(server: Server, retry_after: str | None, seconds: float) -> None:
    assert _pauses(server, retry_after).pauses == [seconds]


@pytest.mark.parametrize(("offset", "low", "high"), [(30, 27.0, 31.0), (-30, 0.0, 0.0), (9000, 8997.0, 9001.0)])
def test_a_retry_after_may_be_a_date(server: Server, offset: int, low: float, high: float) -> None:
    date = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=offset), usegmt=True)
    (pause,) = _pauses(server, date).pauses
    assert low <= pause <= high


def test_a_retry_after_without_a_zone_is_no_obstacle(server: Server) -> None:
    assert _pauses(server, "Wed, 21 Oct 2015 07:28:00").pauses in ([0.0], [1.0])


def test_a_503_slows_down_if_it_asks_for_it(server: Server) -> None:
    assert _pauses(server, "4", 503).pauses == [4.0]
    server.seen.clear()
    assert _pauses(server, None, 503).pauses == []


def test_the_pause_is_kept(server: Server) -> None:
    server.script = [refusal(429, "slow down", Retry_After="0.3"), reply()]
    client = _client(server.url, limiter=RateLimiter(1000))
    started = time.monotonic()
    assert _count(client) == {"count": 7}
    assert time.monotonic() - started >= 0.3


def test_a_parser_can_ask_for_another_try(server: Server) -> None:
    server.script = [reply(body=b"1"), reply(body=b"2")]

    def parse(body: bytes) -> int:
        if body == b"1":
            raise UnreadableBodyError("cut short")
        return int(body)

    assert _client(server.url).get("/x", parse, purpose="reading") == 2


def test_text_that_is_no_utf8_is_an_unreadable_answer(server: Server) -> None:
    server.script = [reply(body=b'{"count": "\xff"}')]
    assert type(_fail(_client(server.url))) is TransientApiError


def test_a_host_that_refuses_connections_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = _fail(_client(f"http://127.0.0.1:{port}"))
    assert type(error) is TransientApiError
    assert str(error).endswith(f"http://127.0.0.1:{port} cannot be reached (ConnectionRefusedError).")


def test_a_server_without_tls_is_named(server: Server) -> None:
    server.script = [reply()]
    error = _fail(_client(server.url.replace("http:", "https:")))
    assert isinstance(error, NotWeaveError)
    assert "https://127.0.0.1" in str(error)


@pytest.mark.parametrize("url", ["trace.wandb.ai", "ftp://trace.wandb.ai", "http://", "https://:0x/", ""])
def test_a_base_url_that_is_none_is_named(url: str) -> None:
    error = _fail(_client(url))
    assert type(error) is NotWeaveError
    assert "Check the base URL." in str(error)


def test_credentials_in_the_base_url_are_not_shown(server: Server) -> None:
    server.script = [reply(401)]
    url = server.url.replace("http://", f"http://api:{KEY}@")
    assert type(_fail(_client(url))) is RefusedKeyError


def test_requests_of_many_threads_are_all_counted(server: Server) -> None:
    server.script = [reply()]
    client = _client(server.url)
    threads = [threading.Thread(target=_count, args=(client,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.traffic.as_dict() == {"requests": 8, "retries": 0, "throttled": 0, "bytes_received": 96}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(min_size=1).filter(str.isalnum))
def test_a_v2_path_has_three_parts_for_any_name(project: str, entity: str) -> None:
    client = WeaveClient("http://x", KEY, f"{entity}/{project}", limiter=Pauses())
    assert len(client.v2_path("route").split("/")) == 5
    assert client.v2_path("route").isascii()
