"""Commands that write a folder of files made from the declared tables and views."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path

from .console import Console
from .exit_codes import DONE
from .options import add_destination


def add_folder(parser: ArgumentParser) -> None:
    """Adds the options that say where the files go, and whose tables they are for."""
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write to; created if it does not exist")
    add_destination(parser)


def write_folder(console: Console, folder: str, files: Mapping[str, str]) -> int:
    """Writes files, given by their path below `folder`; returns the exit code."""
    from ..files import write_text

    for name, text in files.items():
        write_text(Path(folder) / name, text)
    console.result({"folder": folder, "files": len(files)}, f"{folder}: {len(files)} files")
    return DONE
