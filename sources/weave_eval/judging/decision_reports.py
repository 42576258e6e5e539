"""A decision as JUnit XML and as Markdown, for systems that run gates."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from .gate import Check, Decision

_MARKS = {"passed": "✅", "failed": "❌", "not_judged": "⚠️"}
_TITLES = {"passed": "Gate passed", "blocked": "Gate blocked", "not_judged": "Gate could not judge"}

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold."""

_MARKUP = re.compile(r"[\\`*\[\]<>&|~$]|^[#+=-]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|(?<=\d)[.)](?=\s)")
"""Characters that Markdown, and HTML inside it, would not show but follow."""


def junit(decision: Decision) -> str:
    """The checks as test cases of JUnit XML: one that is broken is a failure, one that is not judged an error."""
    suite = ET.Element("testsuite", name="weave-eval gate")
    if not decision.checks:
        _case(suite, "run", "not_judged", decision.reason)
    for check in decision.checks:
        _case(suite, _name(check), check.outcome, check.text)
    for tag in ("failure", "error"):
        suite.set(f"{tag}s", str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(suite.findall("testcase"))))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, name: str, outcome: str, text: str) -> None:
    text = _NO_XML.sub("\ufffd", text)
    case = ET.SubElement(suite, "testcase", classname="weave-eval.gate", name=_NO_XML.sub("\ufffd", name))
    if outcome == "passed":
        ET.SubElement(case, "system-out").text = text
    else:
        ET.SubElement(case, "failure" if outcome == "failed" else "error", message=text)


def _name(check: Check) -> str:
    return f"{check.rule}: {check.bound}"


def markdown(decision: Decision) -> str:
    """The checks as a table in Markdown."""
    run = f"[{_cell(decision.run.label)}]({decision.run.url})" if decision.run.url else _cell(decision.run.label)
    against = f", compared with {_cell(decision.baseline.label)}" if decision.baseline else ""
    lines = [f"## {_TITLES[decision.verdict]}", "", f"{run}{against}", ""]
    if decision.checks:
        lines += ["| | rule | value | interval | limit | rows |", "| --- | --- | ---: | ---: | --- | ---: |"]
        lines += [_line(check) for check in decision.checks]
    else:
        lines.append(_cell(decision.reason))
    doubts = [check.text for check in decision.checks if check.outcome == "not_judged"]
    lines += ["", *(f"- {_cell(text)}" for text in (*doubts, *decision.notes))]
    return "\n".join(lines).rstrip() + "\n"


def _line(check: Check) -> str:
    interval = "" if check.low is None or check.high is None else f"{check.low:.4g} to {check.high:.4g}"
    value = "" if check.value is None else f"{check.value:.4g}"
    cells = (
        _MARKS[check.outcome],
        _cell(check.rule),
        value,
        interval,
        f"{check.bound} {check.limit}",
        check.rows or "",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def _cell(text: str) -> str:
    """A text of the data in one line, with each character that means something in Markdown as an HTML entity."""
    line = " ".join(_NO_XML.sub("\ufffd", text).split())
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", line)
