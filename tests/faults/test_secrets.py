"""The key, the warehouse's password and blocked inputs are nowhere: not in output, logs, files, tables, or alerts.

Everything is logged, by every library, at every level.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.evidence import Record
from tests.faults.canaries import KEY, PASSWORD, secrets_in, secrets_in_files, secrets_in_tables
from tests.faults.launcher import LOG_ALL, Launcher
from tests.faults.proxy import FaultyProxy
from tests.faults.scenario import BLOCKED, PLAIN
from tests.faults.spoiling import Answered, Fault, Handler
from tests.faults.told import Told, receiver
from tests.stand_ins.warehouse import Warehouse
from weave_eval.cli.exit_codes import DONE, FAILED, MISUSED

FOR_EVER = 1_000_000
PORT = re.compile(r":\d+/")


@dataclass(frozen=True)
class Place:
    """A dataset, and commands that load into it and read from it."""

    starter: Launcher
    warehouse: Warehouse
    dataset: str
    folder: Path
    environment: dict[str, str]
    told: Told

    def run(self, *arguments: str, **more: str) -> tuple[int, str]:
        """The exit code and all output of a command."""
        environment = {**self.environment, **more}
        command = self.starter.start(*arguments, environment=environment)
        return command.exit_code(), command.output.read_text()

    def load(self, *more: str, **environment: str) -> tuple[int, str]:
        where = ("--destination", self.warehouse.name, "--dataset", self.dataset)
        return self.run("load", "--project", PLAIN, *where, *more, **environment)

    def leaks(self, output: str) -> dict[str, set[str]]:
        """The secrets in the output, in alerts and in files."""
        told = {"output": secrets_in(output), "alerts": secrets_in("\n".join(self.told.bodies))}
        return {place: names for place, names in told.items() if names} | secrets_in_files(self.folder)


@pytest.fixture
def place(proxy: FaultyProxy, warehouse: Warehouse, starter: Launcher, tmp_path: Path) -> Iterator[Place]:
    """A place whose credentials are those that are searched for, which a Postgres of the tests does not check."""
    for folder in ("temporary", "work"):
        (tmp_path / folder).mkdir()
    variable, url = next(iter(warehouse.environment.items()))
    url = url.replace(":loader@", f":{quote(PASSWORD, safe='')}@")
    with receiver() as told:
        environment = {
            variable: url,
            "WANDB_API_KEY": KEY,
            "WF_TRACE_SERVER_URL": proxy.url,
            "SOURCES__WEAVE_EVAL__PRIVACY": json.dumps(BLOCKED),
            "SOURCES__WEAVE_EVAL__WITH_PREDICTIONS": "true",
            "SOURCES__WEAVE_EVAL__READ_TIMEOUT_SECONDS": "5",
            "SOURCES__WEAVE_EVAL__RETRY_BUDGET_SECONDS": "0.1",
            "DLT_DATA_DIR": str(tmp_path / "work" / "dlt"),
            "HOME": str(tmp_path / "work"),
            "TMPDIR": str(tmp_path / "temporary"),
            "RUNTIME__LOG_LEVEL": "DEBUG",
            LOG_ALL: "1",
            **told.environment,
        }
        yield Place(starter, warehouse, warehouse.new_dataset(), tmp_path, environment, told)


@pytest.mark.slow
def test_commands_that_go_well_tell_no_secret(place: Place, record: Record) -> None:
    where = ("--destination", place.warehouse.name, "--dataset", place.dataset)
    said = [place.load("--json")]
    said += [
        place.run(*words, *where)
        for words in (
            ("verify", "--project", PLAIN, "--json"),
            ("check", "--project", PLAIN),
            ("status", "--json"),
            ("report", "--out", str(place.folder / "report.html")),
            ("export", "dataset_rows", "--out", str(place.folder / "inputs.csv")),
        )
    ]
    assert [code for code, _ in said] == [DONE] * len(said), said[-1]
    output = "".join(text for _, text in said)
    assert "urllib3.connectionpool" in output
    assert {"report.html", "inputs.csv"} <= {path.name for path in place.folder.iterdir()}
    assert list(place.folder.rglob("trace.pickle"))
    assert place.leaks(output) == {}
    assert secrets_in_tables(place.warehouse, place.dataset) == {}
    record("commands that told no secret", place.warehouse.name, len(said))


def repeating(status: int) -> Fault:
    """A server that answers with what it was sent."""

    def answer(handler: Handler, _: Answered) -> None:
        sent = handler.headers["Authorization"]
        body = json.dumps({"detail": f"not with {sent}, which is api:{KEY}"}).encode()
        handler.send_response(status, f"refused {KEY}")
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("Location", f"http://api:{quote(KEY, safe='')}@127.0.0.1:9/?key={quote(KEY)}")
        handler.send_header("WWW-Authenticate", sent)
        handler.end_headers()
        handler.wfile.write(body)

    return Fault(f"{status} repeating", answer)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("listing", 401),
        *(
            pytest.param(kind, status, marks=pytest.mark.slow)
            for kind, status in (
                ("listing", 403), ("count", 302), ("page", 400), ("page", 200), ("object", 500), ("feedback", 404),
            )
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
def test_a_server_that_repeats_the_key(
    proxy: FaultyProxy, place: Place, record: Record, kind: str, status: int
) -> None:
    with proxy.spoil(kind, repeating(status), FOR_EVER):
        code, said = place.load()
    assert code in (FAILED, MISUSED)
    assert proxy.spoiled
    assert len(sentences(said)) == 1
    assert len(place.told.bodies) >= 2
    assert place.leaks(said) == {}
    assert secrets_in_tables(place.warehouse, place.dataset) == {}
    record("loads from a server that repeats the key", f"{status} to {kind}")


def sentences(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("error: ")]


@contextmanager
def repeating_postgres() -> Iterator[int]:
    """The port of what takes a password as Postgres does, and refuses it with its words in the message."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            with accepted, accepted.makefile("rb") as heard, suppress(OSError, struct.error):
                refuse(heard.read, accepted.sendall)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def refuse(read: Callable[[int], bytes], write: Callable[[bytes], object]) -> None:
    """No TLS, a password in the clear, and an error that tells it."""
    length, code = struct.unpack("!II", read(8))
    if code == 80877103:  # asks for TLS
        write(b"N")
        length, _ = struct.unpack("!II", read(8))
    read(length - 8)
    write(b"R" + struct.pack("!II", 8, 3))
    _, length = struct.unpack("!cI", read(5))
    password = read(length - 4).rstrip(b"\0")
    fields = b'SFATAL\0C28P01\0Mno role loader with password "' + password + b'"\0\0'
    write(b"E" + struct.pack("!I", len(fields) + 4) + fields)


@pytest.mark.parametrize("command", [("load", "--project", PLAIN), ("check", "--project", PLAIN), ("status",)])
@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_a_warehouse_that_repeats_the_password(place: Place, command: tuple[str, ...]) -> None:
    (variable,) = place.warehouse.environment
    with repeating_postgres() as port:
        url = f"postgresql://loader:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/weave"
        code, said = place.run(*command, "--destination", "postgres", **{variable: url})
    assert code == FAILED, said
    assert 'no role loader with password "***"' in said
    assert place.leaks(said) == {}


WRONG: dict[str, Callable[[str], str]] = {
    "nobody listens": lambda url: PORT.sub(":9/", url),
    "no such host": lambda url: url.replace("127.0.0.1", "nowhere.invalid"),
    "no such database": lambda url: f"{url}_that_is_not_there",
    "no port": lambda url: PORT.sub(":54x/", url),
    "one slash": lambda url: url.replace("://", ":/"),
    "not escaped": lambda url: url.replace(quote(PASSWORD, safe=""), PASSWORD),
    "wrong option": lambda url: f"{url}?sslmode=whatever",
}


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_a_warehouse_that_cannot_be_reached(place: Place, record: Record, wrong: str) -> None:
    (variable,) = place.warehouse.environment
    code, said = place.load(**{variable: WRONG[wrong](place.environment[variable])})
    assert code in (FAILED, MISUSED)
    (sentence,) = sentences(said)
    assert "'postgres'" in sentence
    assert len(place.told.bodies) >= 2
    assert place.leaks(said) == {}
    assert not [part for part in re.split("[@:/%+]", PASSWORD) if len(part) > 3 and part in said]
    record("commands with credentials that lead nowhere", wrong)
