from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_eval.weave.refs import Ref, is_ref, parse_ref

PARTS = st.text(st.characters(exclude_characters="/:", exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "weave:///acme/support/object/atlas:vE3z",
            Ref(kind="object", name="atlas", digest="vE3z", entity="acme", project="support", path=""),
        ),
        (
            "weave:///acme/support/op/Model.predict:Ugf7",
            Ref(kind="op", name="Model.predict", digest="Ugf7", entity="acme", project="support", path=""),
        ),
        (
            "weave:///acme/support/object/cities:Da7a/attr/rows/id/R0w",
            Ref("object", "cities", "Da7a", "acme", "support", "/attr/rows/id/R0w"),
        ),
        ("weave:///acme/support/call/0192-ab", Ref("call", "0192-ab", "", "acme", "support", "")),
        ("weave:///acme/support/table/7ab1e", Ref("table", "7ab1e", "", "acme", "support", "")),
        ("weave:///acme/my%20team/object/a%3Ab:c", Ref("object", "a%3Ab", "c", "acme", "my%20team", "")),
        ("weave-private://///object/secret:0b5c", Ref("object", "secret", "0b5c", "", "", "")),
        ("weave:///object/op/object/call:d1", Ref("object", "call", "d1", "object", "op", "")),
    ],
)
def test_a_ref_is_taken_apart(text: str, parts: Ref) -> None:
    assert parse_ref(text) == parts
    assert is_ref(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "atlas",
        "https://wandb.ai/acme/support/object/atlas:vE3z",
        "weave:///acme/support",
        "weave:///acme/support/picture/atlas:vE3z",
        "weave:///acme/support/object/",
        "see weave:///acme/support/object/atlas:vE3z",
        None,
        7,
        {"ref": "weave:///acme/support/object/atlas:vE3z"},
    ],
)
def test_anything_else_has_no_parts(text: object) -> None:
    assert parse_ref(text) is None


@pytest.mark.parametrize("text", ["a weave:///x", "weave", "", None, 3, ["weave:///acme/support/object/atlas:vE3z"]])
def test_text_without_the_scheme_is_no_ref(text: object) -> None:
    assert not is_ref(text)


REFS = st.builds(
    Ref,
    kind=st.sampled_from(["object", "op"]),
    name=PARTS,
    digest=PARTS,
    entity=PARTS,
    project=PARTS,
    path=st.text().map("/".__add__) | st.just(""),
)


@given(REFS)
def test_parts_survive_being_joined(ref: Ref) -> None:
    text = f"weave:///{ref.entity}/{ref.project}/{ref.kind}/{ref.name}:{ref.digest}{ref.path}"
    assert parse_ref(text) == ref


@given(st.text())
def test_no_text_is_too_odd_to_be_looked_at(text: str) -> None:
    ref = parse_ref(text)
    assert ref is None or text.startswith("weave")
