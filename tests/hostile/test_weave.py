"""What Weave's own server says to the texts: the data of these tests is true of it."""

from __future__ import annotations

from typing import Any

from tests.hostile.conftest import fresh
from tests.hostile.project import BEFORE, PROJECT, call, post, refs, trial
from tests.hostile.strings import (
    FAILING_AS_SCORER,
    LONGEST_NOTE,
    REFUSED_IN_CALLS,
    TEXTS,
    in_calls,
    is_unicode,
    object_name,
)
from tests.weave_server.process import WeaveServer


def test_calls_take_every_text_but_these(server: WeaveServer) -> None:
    fresh(server)
    made = {text: call("Evaluation.evaluate", BEFORE, output={"text": text}, display_name=text) for text in TEXTS}
    refused = [text for text, one in made.items() if complete(server, [one]) == 400]
    assert refused == list(REFUSED_IN_CALLS)
    assert complete(server, [one for text, one in made.items() if text not in refused]) == 200


def complete(server: WeaveServer, calls: list[dict[str, Any]]) -> int:
    return post(server, f"/v2/{PROJECT}/calls/complete", {"batch": calls}).status_code


def test_summaries_fail_on_scorers_named_as_refs(server: WeaveServer) -> None:
    fresh(server)
    asked = {"evaluation_call_ids": [BEFORE], "include_rows": False, "include_summary": True}
    for text in (FAILING_AS_SCORER[0], "weave:", "ref weave:///a/b/object/c:d"):
        server.reset()
        root = call("Evaluation.evaluate", BEFORE, inputs=refs("evaluation", "model"))
        complete(server, [root, *trial(BEFORE, "input", "output", {text: {text: 1}})])
        answer = post(server, f"/v2/{PROJECT}/eval_results/query", asked)
        assert answer.status_code == (500 if text in FAILING_AS_SCORER else 200)
    assert all(text.startswith("weave:///") for text in FAILING_AS_SCORER)


def test_objects_get_other_names(server: WeaveServer) -> None:
    """In calls any name can stand; made through the API, objects have names of letters, digits and `._-` alone."""
    names = {}
    plain = [text for text in in_calls() if not text.startswith("weave:///")]  # the server's own ids come in there
    for text in plain:
        server.reset()
        answer = post(server, f"/v2/{PROJECT}/models", {"name": text, "source_code": "class Model: ..."})
        names[text] = answer.json()["object_id"] if answer.status_code == 200 else None
    assert names == {text: object_name(text) for text in plain}
    assert sum(name is None for name in names.values()) > 60


def test_notes_are_short(server: WeaveServer) -> None:
    ref = f"weave:///{PROJECT}/call/{BEFORE}"
    body = {"project_id": PROJECT, "weave_ref": ref, "feedback_type": "wandb.note.1"}
    answers = {
        text: post(server, "/feedback/create", {**body, "payload": {"note": text}}).status_code
        for text in ("", "x" * LONGEST_NOTE, "x" * (LONGEST_NOTE + 1), "\ud83d", "\x00")
    }
    assert list(answers.values()) == [400, 200, 400, 400, 200]


def test_rows_fail_on_bare_lone_surrogates(server: WeaveServer) -> None:
    fresh(server)
    asked = {"evaluation_call_ids": [BEFORE], "include_rows": True}
    for text in filter(lambda text: not is_unicode(text), TEXTS):
        for example, status in ((text, 500), ([text], 200)):
            server.reset()
            root = call("Evaluation.evaluate", BEFORE, inputs=refs("evaluation", "model"))
            complete(server, [root, *trial(BEFORE, example, "output", {})])
            assert post(server, f"/v2/{PROJECT}/eval_results/query", asked).status_code == status
