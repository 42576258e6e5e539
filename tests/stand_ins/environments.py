"""Python environments of the stand-ins: services whose requirements do not fit ours run beside the tests."""

import hashlib
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

from filelock import FileLock

from tests.checkout import CHECKOUT

CACHE = CHECKOUT / ".cache" / "environments"
REQUIREMENTS = CHECKOUT / "tests" / "environments"
WISH = re.compile(r"# python: *(\d+)\.(\d+)")
RESOLUTION = re.compile(r"# resolution: *(\S+)")


def python_of(name: str) -> pathlib.Path:
    """The python of the environment with the requirements of `tests/environments/<name>.txt`.

    It is made when first asked for, with the version of the running python, unless the first line of the
    file, such as `# python: 3.11`, asks for a newer one that uv finds on this machine. Another first line,
    `# resolution: lowest-direct`, takes the lowest versions. Raises CalledProcessError if the requirements
    cannot be installed.
    """
    requirements = REQUIREMENTS / f"{name}.txt"
    base = base_python(requirements.read_text())
    ours = (CHECKOUT / "pyproject.toml").read_text() if "-e ." in requirements.read_text() else ""
    text = f"{requirements.read_text()}{base}{platform.python_version()}{ours}"
    folder = CACHE / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "complete").exists():
            make(folder, base, requirements)
    return python_in(folder)


def make(folder: pathlib.Path, base: str, requirements: pathlib.Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    uv("venv", "--python", base, str(folder))
    wish = RESOLUTION.match(requirements.read_text())
    resolution = wish[1] if wish else "highest"
    python = str(python_in(folder))
    uv("pip", "install", "--python", python, "--resolution", resolution, "--requirements", str(requirements))
    (folder / "complete").touch()


def python_in(folder: pathlib.Path) -> pathlib.Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def base_python(requirements: str) -> str:
    wish = WISH.match(requirements)
    if not wish or sys.version_info >= (int(wish[1]), int(wish[2])):
        return sys.executable
    try:
        return uv("python", "find", "--no-project", f">={wish[1]}.{wish[2]}").strip()
    except subprocess.CalledProcessError:
        return sys.executable


def uv(*arguments: str) -> str:
    """What uv prints. The virtual environment of the tests does not count as one to install into."""
    found = os.environ.get("UV") or shutil.which("uv")
    command = [found] if found else [sys.executable, "-m", "uv"]
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    environment.pop("VIRTUAL_ENV", None)
    command += ["--quiet", *arguments]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, capture_output=True, text=True)
    return done.stdout
