"""Builds a release and tries it: `python scripts/release.py`, which publishes nothing.

Leaves wheel and sdist in a folder, `dist` if none is named. Both are looked into; the wheel is built from the sdist,
installed into an empty environment and run there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
IN_THE_SDIST = {"CHANGELOG.md", "LICENSE", "README.md", "destinations.toml", "docs/index.md", "pyproject.toml"}
UV = os.environ.get("UV", "uv")
COMMANDS = (["--version"], ["demo"], ["status"])


def release(folder: Path) -> None:
    """Builds into a folder that is emptied first, and tries what was built."""
    shutil.rmtree(folder, ignore_errors=True)
    _run(UV, "build", "--out-dir", str(folder), str(ROOT))  # the sdist, and the wheel from it
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    check_wheel(wheel)
    check_sdist(sdist)
    with tempfile.TemporaryDirectory() as place:
        try_out(wheel, Path(place))
    print(f"{wheel.name} and {sdist.name} are in {folder}.")


def check_wheel(wheel: Path) -> None:
    """Raises ValueError if the wheel lacks a file or its metadata lacks the licence."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    licence = metadata.replace("METADATA", "licenses/LICENSE")
    lacking = {*package_files(), licence} - names
    if lacking or "License-Expression: Apache-2.0" not in lines:
        raise ValueError(f"{wheel.name} lacks {', '.join(sorted(lacking)) or 'its licence'}.")


def package_files() -> Iterator[str]:
    """The files of the package as a wheel names them, with all that is not Python."""
    sources = ROOT / "sources"
    for path in (sources / "weave_eval").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(sources).as_posix()


def check_sdist(sdist: Path) -> None:
    """Raises ValueError if the sdist lacks a file."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    if lacking := IN_THE_SDIST - names:
        raise ValueError(f"{sdist.name} lacks {', '.join(sorted(lacking))}.")


def try_out(wheel: Path, folder: Path) -> None:
    """Installs the wheel into an empty environment and runs commands there, away from the checkout."""
    environment = folder / "environment"
    _run(UV, "venv", "--python", sys.executable, str(environment))
    scripts = environment / ("Scripts" if os.name == "nt" else "bin")
    _run(UV, "pip", "install", "--python", str(scripts / "python"), str(wheel))
    for command in COMMANDS:
        _run(str(scripts / "weave-eval"), *command, folder=folder)


def _run(*command: str, folder: Path = ROOT) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run(command, cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for wheel and sdist")
    release(arguments.parse_args().out)
