"""`weave-eval dictionary`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ...catalogue.dictionary import dictionary_json, dictionary_markdown
from ...errors import WeaveEvalError
from ..console import Console
from ..program import DONE
from .exit_code import exit_code
from .folder import write_text


def run(options: argparse.Namespace) -> int:
    """Prints or writes the dictionary of all tables, views and columns."""
    console = Console()
    text = dictionary_markdown() if options.format == "markdown" else _json_text()
    if options.out is None:
        console.text(text.rstrip("\n"))
        return DONE
    try:
        write_text(Path(options.out), text)
    except WeaveEvalError as error:
        console.error(str(error))
        return exit_code(error)
    return DONE


def _json_text() -> str:
    return json.dumps(dictionary_json(), indent=2, ensure_ascii=False) + "\n"
