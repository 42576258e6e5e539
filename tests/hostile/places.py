"""Where each hostile text must be found in the tables, and where it was."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from tests.hostile.project import BEFORE, example_of, refs, run_id_of, scorer_of
from tests.hostile.strings import TEXTS, in_calls, is_note, is_unicode, stored, stored_name
from tests.tables_of import Row, Tables
from weave_eval.rows.flatten import leaves

Places = dict[str, Any]
"""Values of a text by the place where they stand."""

NAMES_IN_REFS = {
    "weave:///acme/other/object/name:digest": "name",
    "weave:///acme/other/call/0192": "0192",
    "weave-private://///object/x:y": "x",
    "weave:///a/b/object/c:d/attr/rows/id/e": "c",
}
"""What a model is called whose run names it by a ref."""


def promised(text: str) -> Places:
    """What must be found of the text; None where it cannot be."""
    scorer = scorer_of(text)
    named = {"scorer": stored_name(scorer), "path": next(leaves({stored_name(scorer): text}))[0]}
    return named | {
        place: stored(value)
        for place, value in {
            "display name": text or None,  # Weave itself takes an empty name for none
            "model": NAMES_IN_REFS.get(text, text),
            # A name in a ref ends there, for Weave too; what names nothing is no ref, but a name itself.
            "evaluation": re.split("[/:]", text)[0] or refs(text, "")["self"],
            "run output": {text: text},
            "attributes": {text: text},
            "input": example_of(text),
            "output": {text: text},
            "error": text or None,
            "score": text,
            "note": {"note": text} if is_note(text) else None,
            "name": (text or "object-0") if is_unicode(text) else None,
            "description": text if is_unicode(text) else None,
            "row of many": [{text: text, "question": text}, text],
        }.items()
    }


def found(tables: Tables) -> dict[str, Places]:
    """What was found of each text."""
    runs, trials, scores = (_by(tables[name], "run_id") for name in ("evaluation_runs", "trials", "scores"))
    inputs = {row["row_digest"]: row["inputs"] for row in tables["dataset_rows"]}
    notes = {row["run_id"]: row["payload"] for row in tables["feedback"]}
    objects = {row["object_id"]: row for row in tables["evaluations"]}
    rows_of_many = [[inputs[trial["row_digest"]], trial["output"]] for trial in trials[BEFORE]]
    places = {}
    for text in in_calls():
        (run,), (trial,) = runs[run_id_of(text)], trials[run_id_of(text)]
        scored = scores[run_id_of(text)]
        row = promised(text)["row of many"]
        places[text] = {
            **_of_run(run),
            "input": inputs[trial["row_digest"]],
            "output": trial["output"],
            "error": trial["error"],
            **_of_score(next(each for each in scored if each["path"] not in ("is_right", "length"))),
            "note": notes.get(run["run_id"]),
            **_of_object(objects.get(f"object-{TEXTS.index(text)}", {})),
            "row of many": row if row in rows_of_many else None,
        }
    return places


def _by(rows: list[Row], column: str) -> dict[Any, list[Row]]:
    grouped = defaultdict(list)
    for row in rows:
        grouped[row[column]].append(row)
    return grouped


def _of_run(run: Row) -> Places:
    columns = {"display name": "display_name", "model": "model_name", "evaluation": "evaluation_name"}
    columns |= {"run output": "output", "attributes": "attributes"}
    return {place: run[column] for place, column in columns.items()}


def _of_score(score: Row) -> Places:
    return {"scorer": score["scorer_name"], "path": score["path"], "score": score["value_text"]}


def _of_object(stored_object: Row) -> Places:
    return {"name": stored_object.get("name"), "description": stored_object.get("description")}
