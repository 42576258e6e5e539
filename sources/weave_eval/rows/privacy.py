"""What must not reach a warehouse: dropped, hashed or truncated before it reaches a disk.

A rule is one line of text:

    drop TABLE.COLUMN[.KEY.PATH]                removes the value
    hash TABLE.COLUMN[.KEY.PATH]                replaces it with its HMAC-SHA-256: 64 hex digits, made with the secret
    truncate TABLE.COLUMN[.KEY.PATH] LENGTH     cuts text to LENGTH characters
    preset no-content                           drops all content, see below

For example `drop dataset_rows.inputs.customer.email`, `hash trials.output`, `truncate scores.value_text 200`. Keys lead
into JSON columns; `*` stands for any key or list index, and a dot, star or backslash in a key is written with a
backslash before it. Keys may contain spaces. Rules apply in order.

* Drop: a whole column becomes null, a key is removed from its object, an item of a list becomes null, so that the
  others keep their places.
* Hash: equal values have equal hashes, in every table and run, as long as the key stays the same. Of text, the text
  itself is hashed; of other JSON values, their JSON text with sorted keys and no spaces. Nulls stay null.
* Truncate: of a JSON value, every string in it is cut; keys and numbers stay.

Everything else stays as it is, to the last digit. JSON that cannot be read is dropped if a rule has to look into it.
Columns that key, join or tell rows apart (keys, ids, digests, fingerprints and everything that is never null) may not
be touched.

The same words turn up in many places, and a rule covers one column only:

* inputs: `dataset_rows.inputs`, `predictions.inputs`; quoted in outputs, errors, scorers' explanations.
* outputs: `trials.output`, `predictions.output`; quoted in errors, scorers' explanations and metrics.
* errors: `trials.error`, `evaluation_runs.error`: messages and tracebacks, which quote values.
* scorers' explanations: `scores.value_text`, which also holds the digits of numbers that do not fit a double, and
  `scores.value_json`.
* a run's own metrics, usage and attributes: `evaluation_runs.output`, `.summary` and `.attributes`.
* prompts: `definition` and `description` of `models`, `evaluations`, `scorers` and `datasets`.
* people's remarks: `feedback.payload`; their authors: `feedback.creator`, and `user_id` in several tables.
* whatever Weave adds in the future: `extra` in most tables.

The preset drops all of these except the authors. It keeps ids, refs, times, numbers, booleans and names, among them
those of scorers, the paths of scores (keys of a scorer's output) and digests. A digest is made of the input without a
key, so anyone who can guess an input can recognise it.
"""

from __future__ import annotations

import hmac
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ..errors import SettingsError
from ..tables import TABLES, TABLES_BY_NAME, Column, Table
from .columns import Columns

ACTIONS = ("drop", "hash", "truncate")
PRESETS = ("no-content",)
MIN_KEY_LENGTH = 16

_PERSON = "user_id"
_ANY = "*"
_PART = re.compile(r"\.((?:[^.\\]|\\(?:.|$))*)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_STRING = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?', re.DOTALL)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_FORMS = "write it as ACTION TABLE.COLUMN[.KEY.PATH] [LENGTH], such as 'drop dataset_rows.inputs.email'"

Edit = Callable[[Any], Any]
"""Changes a value that is not null: text of a text column, JSON text (bytes) of a JSON column."""


@dataclass(frozen=True)
class PrivacyRule:
    """What happens to a column, or to what `path` leads to in it. `length` is in characters, for `truncate` only.

    A part of the path is a key or list index, or None for any.
    """

    action: str
    table: str
    column: str
    path: tuple[str | None, ...] = ()
    length: int = 0


class Privacy:
    """Applies the rules to rows."""

    def __init__(self, rules: Sequence[str], key: str | None = None):
        """Parses `rules`; `key` is the secret that `hash` needs.

        Raises `SettingsError` for a rule that cannot be used, and for `hash` without a key.
        """
        self._edits: dict[str, list[tuple[str, Edit]]] = defaultdict(list)
        parsed = parse_rules(rules)
        secret = _secret(key) if any(rule.action == "hash" for rule in parsed) else b""
        for rule in parsed:
            self._edits[rule.table].append((rule.column, _edit(rule, secret)))

    def apply(self, columns: Columns) -> Columns:
        """The rows after the rules; the very same columns if no rule names the table."""
        if columns.table not in self._edits:
            return columns
        values = dict(columns.values)
        for name, edit in self._edits[columns.table]:
            values[name] = [None if value is None else edit(value) for value in values[name]]
        return Columns(columns.table, values)


def _secret(key: str | None) -> bytes:
    if not key or len(key) < MIN_KEY_LENGTH:
        raise SettingsError(
            f"A privacy rule says hash, which needs a secret key of at least {MIN_KEY_LENGTH} characters in "
            "privacy_key. Make one, for example with: openssl rand -hex 32"
        )
    return key.encode()


def parse_rules(rules: Iterable[str]) -> list[PrivacyRule]:
    """The rules that lines of text say, presets spelled out. Raises `SettingsError`."""
    return [rule for text in rules for rule in _parse(str(text).strip())]


def _parse(text: str) -> Iterator[PrivacyRule]:
    action, _, rest = text.partition(" ")
    if action == "preset":
        yield from _preset(text, rest.strip())
        return
    if action not in ACTIONS:
        raise _wrong(text, f"its action is not one of {', '.join(ACTIONS)} and preset; {_FORMS}")
    length = 0
    if action == "truncate":
        rest, _, last = rest.strip().rpartition(" ")
        length = _length(text, last)
    yield _target(text, action, rest.strip(), length)


def _preset(text: str, name: str) -> Iterator[PrivacyRule]:
    if name not in PRESETS:
        raise _wrong(text, f"there is no such preset; there is {', '.join(PRESETS)}")
    for table in TABLES:
        yield from (PrivacyRule("drop", table.name, column.name) for column in table.columns if column.is_content)


def _length(text: str, word: str) -> int:
    if not (word.isascii() and word.isdigit() and int(word)):
        raise _wrong(text, "truncate needs a length in characters at the end, such as 200")
    return int(word)


def _target(text: str, action: str, target: str, length: int) -> PrivacyRule:
    name, *rest = _parts(target)
    table = TABLES_BY_NAME.get(name)
    if table is None:
        raise _wrong(text, f"there is no table {name!r}; there are {', '.join(TABLES_BY_NAME)}")
    column_name, *path = rest or [""]
    column = next((column for column in table.columns if column.name == column_name), None)
    if column is None:
        names = ", ".join(column.name for column in table.columns if not _is_protected(table, column))
        raise _wrong(text, f"{name} has no column {column_name!r}; those that may be touched are {names}")
    _check(text, action, table, column, has_path=bool(path))
    return PrivacyRule(action, name, column_name, tuple(map(_key, path)), length)


def _parts(target: str) -> list[str]:
    """The parts between dots that no backslash escapes."""
    return [match[1] for match in _PART.finditer(f".{target}")]


def _key(part: str) -> str | None:
    return None if part == _ANY else _ESCAPED.sub(r"\1", part)


def _check(text: str, action: str, table: Table, column: Column, *, has_path: bool) -> None:
    what = f"{table.name}.{column.name}"
    if _is_protected(table, column):
        raise _wrong(text, f"{what} keys, joins or tells rows apart, and may not be touched")
    if has_path and column.type != "json":
        raise _wrong(text, f"{what} is not JSON, so no key leads into it; name the column alone")
    if action != "drop" and column.type not in ("text", "json"):
        raise _wrong(text, f"{what} is {column.type}, neither text nor JSON; it can only be dropped")


def _is_protected(table: Table, column: Column) -> bool:
    """Whether a column keys, joins or tells rows apart. A person's id may be hashed: nothing is joined by it."""
    names_something = column.name.endswith(("_id", "digest", "fingerprint")) and column.name != _PERSON
    return not column.nullable or names_something or column.name in (*table.key, table.kept)


def _wrong(text: str, why: str) -> SettingsError:
    return SettingsError(f"The privacy rule {text!r} cannot be used: {why}.")


def _edit(rule: PrivacyRule, secret: bytes) -> Edit:
    if TABLES_BY_NAME[rule.table].column(rule.column).type != "json":
        return _text_edit(rule, secret)
    return _inside(rule.path, _json_edit(rule, secret))


def _text_edit(rule: PrivacyRule, secret: bytes) -> Edit:
    edits: dict[str, Edit] = {
        "drop": lambda _: None,
        "hash": lambda text: _hash(text, secret),
        "truncate": lambda text: text[: rule.length],
    }
    return edits[rule.action]


def _json_edit(rule: PrivacyRule, secret: bytes) -> Edit:
    edits: dict[str, Edit] = {
        "drop": lambda _: None,
        "hash": lambda value: _hash_json(value, secret),
        "truncate": lambda value: _truncate_json(value, rule.length),
    }
    return edits[rule.action]


def _hash(text: str, secret: bytes) -> str:
    return hmac.digest(secret, text.encode("utf-8", "surrogatepass"), "sha256").hex()


def _hash_json(value: bytes, secret: bytes) -> bytes:
    if value == b"null":
        return value
    text = value.decode("utf-8", "replace")
    try:
        decoded = json.loads(text)
        text = decoded if isinstance(decoded, str) else _canonical(decoded)
    except (ValueError, RecursionError):  # too deep, or not JSON: its text has to do
        pass
    return msgspec.json.encode(_hash(text, secret))


def _canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _truncate_json(value: bytes, length: int) -> bytes:
    """Cuts every string that is not a key. No parsing: strings are the only JSON tokens with quotes."""

    def cut(match: re.Match[str]) -> str:
        quoted, colon = match.groups()
        if colon or len(quoted) - 2 <= length:
            return match[0]
        text = _unquoted(quoted)
        return msgspec.json.encode(text[:length]).decode()

    return _STRING.sub(cut, value.decode("utf-8", "replace")).encode()


def _unquoted(quoted: str) -> str:
    try:
        return str(json.loads(quoted, strict=False))
    except ValueError:  # an escape that JSON does not know
        return ""


def _inside(path: Sequence[str | None], edit: Edit) -> Edit:
    """An edit of what `path` leads to in JSON text; what lies beside the path is not even parsed."""
    if not path:
        return edit
    inner = _inside(path[1:], edit)

    def change(value: bytes) -> bytes | None:
        try:
            if value.lstrip()[:1] == b"{":
                return _change_object(value, path[0], inner)
            if value.lstrip()[:1] == b"[":
                return _change_list(value, path[0], inner)
        except (msgspec.DecodeError, RecursionError):
            return None  # it could hold anything
        return value

    return change


def _change_object(value: bytes, key: str | None, edit: Edit) -> bytes:
    fields = _OBJECT.decode(value)
    names = list(fields) if key is None else [key] if key in fields else []
    if not names:
        return value
    for name in names:
        edited = edit(bytes(fields[name]))
        if edited is None:
            del fields[name]
        else:
            fields[name] = msgspec.Raw(edited)
    return msgspec.json.encode(fields)


def _change_list(value: bytes, key: str | None, edit: Edit) -> bytes:
    items = _LIST.decode(value)
    indexes = range(len(items)) if key is None else [int(key)] if _is_index(key, len(items)) else []
    for index in indexes:
        items[index] = msgspec.Raw(edit(bytes(items[index])) or b"null")
    return msgspec.json.encode(items) if indexes else value


def _is_index(key: str, length: int) -> bool:
    return key.isascii() and key.isdigit() and int(key) < length
