"""`weave-eval dictionary`."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..command import Command
from ..console import Console
from ..exit_codes import DONE

_EXAMPLES = """\
  weave-eval dictionary --out DICTIONARY.md
  weave-eval dictionary --format json
"""


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--format", choices=("markdown", "json"), default="markdown", help="(default: markdown)")
    parser.add_argument("--out", metavar="FILE", help="file to write (default: standard output)")


def _run(console: Console, options: Namespace) -> int:
    """Prints or writes the dictionary of all tables, views and columns."""
    from ...files import write_text

    text = _text(options.format)
    if options.out is None:
        console.text(text.rstrip("\n"))
    else:
        write_text(Path(options.out), text)
    return DONE


def _text(form: str) -> str:
    from ...catalogue.dictionary import dictionary_json, dictionary_markdown

    if form == "markdown":
        return dictionary_markdown()
    return json.dumps(dictionary_json(), indent=2, ensure_ascii=False) + "\n"


COMMAND = Command("dictionary", "describe all tables, views and columns", _EXAMPLES, _add_options, _run)
