"""Commands that write files made from the declared tables and views."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ...errors import SettingsError, WeaveEvalError
from ..console import Console, quieten_libraries
from ..program import DONE
from .exit_code import exit_code


def write_folder(folder: str, make: Callable[[], Mapping[str, str]]) -> int:
    """Writes the files that `make` gives by path below `folder`; gives the exit code."""
    console = Console()
    quieten_libraries()
    try:
        files = make()
        for name, text in files.items():
            write_text(Path(folder) / name, text)
    except WeaveEvalError as error:
        console.error(str(error))
        return exit_code(error)
    console.result({"folder": folder, "files": len(files)}, f"{folder}: {len(files)} files")
    return DONE


def write_text(path: Path, text: str) -> None:
    """Writes a file, in a folder that is made if it is not there. Raises `SettingsError` if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror or error}. Choose another place.") from None
