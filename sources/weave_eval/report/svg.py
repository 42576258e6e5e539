"""Charts as SVG that stands in the page: colours are the page's, so that one drawing serves both themes.

Only shapes and texts of what Vega draws are taken over, with plain attributes: no links, scripts, styles or ids.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

import vl_convert

_SPACE = "{http://www.w3.org/2000/svg}"
_SHAPES = ("g", "path", "rect", "line", "text", "tspan", "circle")
_NUMBERS = ("x", "y", "x1", "x2", "y1", "y2", "width", "height", "dx", "dy", "opacity", "fill-opacity",
            "stroke-opacity", "stroke-width", "stroke-dasharray", "transform", "d")  # fmt: skip
_WORDS = ("text-anchor", "font-size", "font-weight")
_COLOURS = ("fill", "stroke")
_COLOUR = re.compile(r"none|transparent|currentColor|#[0-9a-fA-F]{3,8}|var\(--[a-z0-9-]+\)")
_NUMERIC = re.compile(r"[-+0-9a-zA-Z.,() ]*")
_WORD = re.compile(r"[a-z0-9]+")
_DECIMALS = re.compile(r"(\.\d)\d+")


def svg_of(chart: Any, label: str) -> str:
    """An Altair chart as an SVG element. `label` tells those who cannot see it what it shows.

    A mark's description becomes the text that appears where a mouse rests on it.
    """
    drawn = vl_convert.vegalite_to_svg(chart.to_dict(validate=False), show_warnings=False)
    source = ET.fromstring(drawn)  # noqa: S314 - made by the line above, not read
    box = [float(value) for value in source.attrib["viewBox"].split()]
    size = f"0 0 {box[2]:.0f} {box[3]:.0f}"
    target = ET.Element("svg", {"viewBox": size, "role": "img", "aria-label": label})
    for child in source:
        _copy(child, target)
    return ET.tostring(target, encoding="unicode")


def _copy(source: ET.Element, parent: ET.Element) -> None:
    name = source.tag.removeprefix(_SPACE)
    if name not in _SHAPES or _is_invisible(source, name):
        return
    target = ET.SubElement(parent, name, dict(_attributes(source)))
    if name in ("text", "tspan"):
        target.text = source.text
    if source.get("aria-roledescription") == "point":
        ET.SubElement(target, "title").text = source.get("aria-label")
    for child in source:
        _copy(child, target)
    if name == "g" and not len(target):
        parent.remove(target)


def _is_invisible(source: ET.Element, name: str) -> bool:
    if source.get("display") == "none" or (name == "text" and source.get("opacity") == "0"):
        return True
    return name == "path" and source.get("class") in ("background", "foreground")


def _attributes(source: ET.Element) -> list[tuple[str, str]]:
    kept = []
    for name, value in source.attrib.items():
        if name in _NUMBERS and _NUMERIC.fullmatch(value):
            kept.append((name, _DECIMALS.sub(r"\1", value)))
        elif (name in _COLOURS and _COLOUR.fullmatch(value)) or (name in _WORDS and _WORD.fullmatch(value)):
            kept.append((name, value))
    return kept
