"""The pages of the documentation, and the commands, queries and programs in them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.checkout import CHECKOUT

README = CHECKOUT / "README.md"
DOCS = CHECKOUT / "docs"
PAGES = (README, *sorted(DOCS.glob("*.md")))

_FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str, *pages: Path) -> list[str]:
    """The fenced blocks of a language, in these pages or in all."""
    texts = [page.read_text(encoding="utf-8") for page in pages or PAGES]
    return [body for text in texts for kind, body in _FENCED.findall(text) if kind == language]
