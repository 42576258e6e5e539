"""Files for people: there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import SettingsError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file to write beside `path`: it takes that name once it is whole, and is removed if it never is.

    Raises `SettingsError` if the file cannot be written.
    """
    try:
        with _replacing(path) as part:
            yield part
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror or error}. Choose another file.") from None


def write_text(path: Path, text: str) -> None:
    """Writes a text file, creating its folder if needed. Raises `SettingsError` if it cannot be written."""
    with whole_file(path) as part:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    if path.exists() and not path.is_file():  # such as /dev/stdout
        yield path
        return
    target = path.resolve()
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
