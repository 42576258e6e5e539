"""A page as a browser would read it: its elements and its text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "br", "input", "link", "img", "hr", "base", "embed", "source", "track", "wbr", "col", "area"}


_BLOCKS = (
    "p div li dt dd td th tr br h1 h2 h3 h4 h5 summary pre figcaption caption text title article section header nav dl"
)
BLOCKS = frozenset(_BLOCKS.split())


@dataclass
class Element:
    """An element with its texts and elements in order."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None = None
    content: list[str | Element] = field(default_factory=list)

    @property
    def children(self) -> list[Element]:
        return [one for one in self.content if isinstance(one, Element)]

    @property
    def own_text(self) -> list[str]:
        return [one for one in self.content if isinstance(one, str)]

    @property
    def text(self) -> str:
        """All text in the element, with single blanks; what does not break is a blank too."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> list[str]:
        space = [" "] if self.tag in BLOCKS else []
        inner = [part for one in self.content for part in (one._texts() if isinstance(one, Element) else [one])]
        return [*space, *inner, *space]

    def below(self, tag: str) -> list[Element]:
        return [one for child in self.children for one in ([child] if child.tag == tag else []) + child.below(tag)]


class Page(HTMLParser):
    """Parses strictly: every element that is opened is closed, in order."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.elements: list[Element] = []
        self.comments: list[str] = []
        self._open = [self.root]
        self.feed(html)
        self.close()
        assert self._open == [self.root], f"not closed: {[one.tag for one in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in {tag}: {attrs}"
        element = Element(tag, {name: value or "" for name, value in attrs}, self._open[-1])
        self._open[-1].content.append(element)
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, f"{tag} closed inside {self._open[-1].tag}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].content.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def section(self, anchor: str) -> Element:
        """The section whose heading has that id."""
        (heading,) = [element for element in self.elements if element.attributes.get("id") == anchor]
        found = heading
        while found.tag != "section":
            assert found.parent
            found = found.parent
        return found

    @property
    def text(self) -> str:
        return self.root.text
