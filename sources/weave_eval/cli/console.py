"""What the command line prints: progress and sentences on a terminal, `key=value` lines elsewhere, or JSON."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..weave.sanitize import Changes, clean

if TYPE_CHECKING:
    from ..loading.outcome import Progress

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that a terminal obeys instead of showing, that reverse its text, or that cannot be sent to it."""


def visible(text: str) -> str:
    """The text in one line, with a JSON escape for each character that a terminal would not show."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class Console:
    """Log lines go to stderr; JSON, one object per line, goes to stdout. `is_quiet` leaves only warnings and errors.

    What cannot be written ends nothing: `unwritten` is why an answer on stdout was not, if one was not.
    """

    def __init__(self, *, is_json: bool = False, is_quiet: bool = False):
        self._is_json = is_json
        self._is_quiet = is_quiet
        self._is_terminal = sys.stderr.isatty()
        self.unwritten: OSError | None = None

    def result(self, fields: dict[str, Any], sentence: str) -> None:
        """The outcome of one project: a sentence for people, its fields for machines."""
        if self._is_json:
            self._line(json_text(fields), sys.stdout)
        elif not self._is_quiet:
            self._line(sentence if self._is_terminal else key_values(fields), sys.stderr)

    def answer(self, fields: dict[str, Any], sentence: str) -> None:
        """An answer that was asked for: its fields as JSON, or a sentence."""
        self._line(json_text(fields) if self._is_json else sentence, sys.stdout)

    def text(self, text: str) -> None:
        """Text that was asked for."""
        self._line(text, sys.stdout)

    def drawn(self, text: str) -> None:
        """Text that was asked for, with the codes by which a terminal shows it in colours."""
        self._write(text, sys.stdout)

    def warning(self, text: str) -> None:
        """Something that was noticed and dealt with."""
        self._note("warning", text if self._is_json else visible(text))

    def error(self, text: str) -> None:
        """Something that went wrong."""
        self._note("error", text)

    def _note(self, level: str, text: str) -> None:
        if self._is_json:
            self._line(json_text({"level": level, "message": text}), sys.stderr)
        else:
            self._line(f"{level}: {text}", sys.stderr)

    def _line(self, text: str, stream: Any) -> None:
        self._write("\n".join(map(visible, text.split("\n"))), stream)

    def _write(self, text: str, stream: Any) -> None:
        try:
            print(text, file=stream, flush=True)
        except OSError as error:  # a full disk, or a reader that stopped reading
            if stream is sys.stdout:
                self.unwritten = error
            discard(stream)

    @contextmanager
    def progress(self, project: str) -> Iterator[Progress]:
        """A progress bar over the runs of a project, on a terminal."""
        from tqdm import tqdm

        is_hidden = self._is_json or self._is_quiet or not self._is_terminal
        with tqdm(desc=visible(project), unit="run", disable=is_hidden, leave=False) as bar:

            def show(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            yield show


def discard(stream: Any) -> None:
    """Lets whatever is still to be written to a stream that cannot be written to vanish."""
    with suppress(OSError, ValueError), Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def make_writable() -> None:
    """Gives the process streams that take every text: what their encoding lacks is escaped, a closed one discards."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def json_text(value: Any) -> str:
    """JSON in one line, with nothing in it that any reader takes for the end of a line; null for what JSON lacks."""
    try:
        return visible(json.dumps(value, ensure_ascii=False, allow_nan=False))
    except ValueError:  # a number that no double holds, such as 1e999, is an infinity in Python
        return visible(json.dumps(clean(value, Changes()), ensure_ascii=False))


def key_values(fields: dict[str, Any]) -> str:
    """Fields as `key=value`: values with spaces are quoted, the keys of nested fields are joined with dots."""
    return " ".join(f"{name}={_quoted(value)}" for name, value in _flat("", fields))


def _flat(prefix: str, fields: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{name}.", value)
        elif isinstance(value, list):
            yield f"{prefix}{name}", ",".join(map(str, value)) if name == "load_ids" else len(value)
        else:
            yield f"{prefix}{name}", value


def _quoted(value: Any) -> str:
    text = "" if value is None else str(value)
    is_plain = bool(text) and not any(c in ' "=' for c in text) and visible(text) == text
    return text if is_plain else json_text(text)
