"""Files are there whole or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from weave_eval.errors import SettingsError
from weave_eval.files import whole_file, write_text


def test_a_file_in_a_new_folder(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b.txt", "größer\n")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "größer\n".encode()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_a_failure_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_text(path, "former")
    with pytest.raises(ZeroDivisionError), whole_file(path) as part:
        fail_half_way(part)
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("page.html", "former")]


def fail_half_way(path: Path) -> None:
    path.write_text("half")
    raise ZeroDivisionError


def test_a_link_still_leads_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_text(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "text"


def test_a_pipe_is_written_to_directly(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    write_text(pipe, "text")
    reader.join(10)
    assert (read, pipe.is_fifo()) == (["text"], True)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "page.html"):
        with pytest.raises(SettingsError, match=r"cannot be written: .*\. Choose another file\."):
            write_text(path, "text")
