"""What can be broken between two loads, by name: each takes a world and breaks it."""

from __future__ import annotations

import base64
import json
import shutil
import zlib
from collections.abc import Callable
from typing import Any

from tests.state.world import PROJECT, State, World, packed
from weave_eval.tables import TABLES_BY_NAME

Break = Callable[[World], Any]

FUTURE = "2096-01-01T00:00:00+00:00"
BOOKS = ("_dlt_version", "_dlt_loads", "_dlt_pipeline_state")


def lost_tables(*names: str, is_new_machine: bool = False) -> Break:
    def lose(world: World) -> None:
        world.drop_table(*names)
        if is_new_machine:
            world.forget_folder()

    return lose


def lost_column(table: str, column: str) -> Break:
    def lose(world: World) -> None:
        if not world.is_postgres:
            for (index,) in world.landing.warehouse.rows("SELECT index_name FROM duckdb_indexes()"):
                world.execute(f'DROP INDEX {world.landing.dataset}."{index}"')
        tail = " CASCADE" if world.is_postgres else ""
        world.execute(f"ALTER TABLE {world.table(table)} DROP COLUMN {column}{tail}")

    return lose


def lost_dataset(world: World) -> None:
    world.landing.warehouse.drop(world.landing.dataset)


def lost_staging(world: World) -> None:
    query = "SELECT schema_name FROM information_schema.schemata"
    for (name,) in world.landing.warehouse.rows(query):
        if name.startswith(f"{world.landing.dataset}_staging"):
            world.execute(f"DROP SCHEMA {name} CASCADE")


def text_of_state(text: str) -> Break:
    def write(world: World) -> None:
        world.write_state(text)
        world.forget_folder()

    return write


def state_with(change: Callable[[State], Any]) -> Break:
    """On a new machine: the warehouse's state is all there is."""

    def write(world: World) -> None:
        world.change_state(change)
        world.forget_folder()

    return write


def put(path: str, value: Any) -> Break:
    """The state with another value at a path; P stands for the project."""
    *parents, last = (PROJECT if key == "P" else key for key in path.split("/"))

    def change(state: State) -> None:
        inner: Any = state
        for key in parents:
            inner = inner.setdefault(key, {})
        inner[last] = value

    return state_with(change)


def text_in_folder(pattern: str, text: str) -> Break:
    def write(world: World) -> None:
        found = list(world.working.glob(pattern))
        assert found, pattern
        for path in found:
            path.write_text(text, encoding="utf-8")

    return write


def local_state(change: Callable[[State], Any]) -> Break:
    def write(world: World) -> None:
        file = world.working / "state.json"
        state = json.loads(file.read_text())
        file.write_text(json.dumps(change(state) or state))

    return write


def ahead(state: State) -> None:
    """A machine that believes to have read runs that it has not."""
    state["_state_version"] += 5
    state["sources"]["weave_eval"]["projects"][PROJECT]["cursor"] = "2096-01-01T00:00:00+00:00"


def no_schemas(world: World) -> None:
    shutil.rmtree(world.working / "schemas")


def folder_is_a_file(world: World) -> None:
    shutil.rmtree(world.working)
    world.working.write_text("a file")


def empty_packages(world: World) -> None:
    (world.working / "normalize" / "extracted" / "1790000000.5").mkdir(parents=True)
    (world.working / "load" / "normalized" / "1790000000.7").mkdir(parents=True)


def half_package(pattern: str, text: str | None) -> Break:
    """A package that a killed load left, in which files are cut or lost."""

    def leave(world: World) -> None:
        world.killed_load()
        found = list(world.working.glob(f"load/normalized/*/{pattern}"))
        assert found, pattern
        for path in found:
            path.unlink() if text is None else path.write_text(text, encoding="utf-8")

    return leave


def foreign_package(world: World) -> None:
    world.killed_load()
    for schema in world.working.glob("load/normalized/*/schema.json"):
        stored = json.loads(schema.read_text())
        stored["name"] = "somebody_else"
        schema.write_text(json.dumps(stored))


def package_and_lost_table(world: World) -> None:
    world.killed_load()
    world.drop_table("trials")


def package_and_lost_dataset(world: World) -> None:
    world.killed_load()
    lost_dataset(world)


def package_before_normalize(world: World) -> None:
    world.killed_load("normalize")


def schema_text(text: str) -> Break:
    def write(world: World) -> None:
        world.execute(f"UPDATE {world.table('_dlt_version')} SET schema = '{text}'")
        world.forget_folder()

    return write


def newer_schema(world: World) -> None:
    schema = {
        "name": "weave_eval",
        "version": 9,
        "version_hash": "x",
        "engine_version": 99,
        "tables": {},
        "settings": {},
    }
    schema_text(json.dumps(schema))(world)


LOST: dict[str, Break] = {
    "working folder": World.forget_folder,
    **{name: lost_tables(name) for name in BOOKS},
    **{f"{name}, new machine": lost_tables(name, is_new_machine=True) for name in BOOKS},
    "all of dlt's tables": lost_tables(*BOOKS),
    "all of dlt's tables, new machine": lost_tables(*BOOKS, is_new_machine=True),
    **{name: lost_tables(name) for name in TABLES_BY_NAME},
    "trials, new machine": lost_tables("trials", is_new_machine=True),
    "all tables": lost_tables(*TABLES_BY_NAME, *BOOKS),
    "all of our tables": lost_tables(*TABLES_BY_NAME),
    "trials.output": lost_column("trials", "output"),
    "evaluation_runs.fingerprint": lost_column("evaluation_runs", "fingerprint"),
    "dataset": lost_dataset,
    "staging datasets": lost_staging,
}

STATES: dict[str, Break] = {
    "empty": text_of_state(""),
    "not base64": text_of_state("~~ no state ~~"),
    "not zlib": text_of_state(base64.b64encode(b"no zlib").decode()),
    "not JSON": text_of_state(base64.b64encode(zlib.compress(b"{")).decode()),
    "a list": text_of_state(packed([1, 2])),
    "an empty object": text_of_state(packed({})),
    "newer dlt": put("_state_engine_version", 99),
    "engine version is text": put("_state_engine_version", "new"),
    "state version is text": put("_state_version", "many"),
    "schema_names is a number": put("schema_names", 5),
    "default_schema_name is another": put("default_schema_name", "other"),
    "destination is another": put("destination_type", "dlt.destinations.nowhere"),
    "another pipeline": put("pipeline_name", "weave_eval_other"),
    "sources is a list": put("sources", []),
    "our state is a list": put("sources/weave_eval", [1]),
    "our state is text": put("sources/weave_eval", "state"),
    "unknown keys": put("sources/weave_eval/projects/P/more", {"x": [1]}),
    "newer version of ours": put("sources/weave_eval/projects/P/version", 2),
    "cursor in the future": put("sources/weave_eval/projects/P/cursor", FUTURE),
    "feedback in the future": put("sources/weave_eval/companions/P/feedback/since", FUTURE),
    "objects in the future": put("sources/weave_eval/companions/P/objects/since", FUTURE),
    "heartbeat in the future": put("sources/weave_eval/heartbeats/P", FUTURE),
    **{
        f"{path} is {json.dumps(value)}": put(f"sources/weave_eval/{path}", value)
        for path, value in {
            "projects": [],
            "projects/P": [1],
            "projects/P/cursor": 5,
            "projects/P/open_runs": [],
            "projects/P/closed_runs": {"run": ["x"]},
            "companions": [],
            "companions/P": "x",
            "companions/P/objects": [],
            "companions/P/feedback": {"since": None},
            "companions/P/refs": 5,
            "unproven": 3,
            "unproven/P": {"run": 3},
            "heartbeats": [],
            "heartbeats/P": 5,
        }.items()
    },
    "schema is garbage": schema_text("garbage"),
    "schema is empty": schema_text("{}"),
    "schema of a newer dlt": newer_schema,
}  # fmt: skip

FOLDERS: dict[str, Break] = {
    "state is garbage": text_in_folder("state.json", "garbage"),
    "state is empty": text_in_folder("state.json", ""),
    "state is a list": text_in_folder("state.json", "[]"),
    "state is an object": text_in_folder("state.json", "{}"),
    "state is ahead": local_state(ahead),
    "state without sources": local_state(lambda state: state.pop("sources") and None),
    "schemas are garbage": text_in_folder("schemas/*.json", "garbage"),
    "schemas are empty objects": text_in_folder("schemas/*.json", "{}"),
    "no schemas": no_schemas,
    "a file": folder_is_a_file,
    "empty packages": empty_packages,
    "package before normalizing": package_before_normalize,
    "package whose files are cut": half_package("new_jobs/*", "PAR1"),
    "package without its files": half_package("new_jobs/*", None),
    "package without schema": half_package("schema.json", None),
    "package with a schema that is garbage": half_package("schema.json", "garbage"),
    "package without its own state": half_package("load_package_state.json", None),
    "package of a schema of somebody else": foreign_package,
    "package, and a lost table": package_and_lost_table,
    "package, and a lost dataset": package_and_lost_dataset,
}

CASES: dict[str, Break] = {
    f"{group}: {name}": break_it
    for group, cases in (("lost", LOST), ("state", STATES), ("folder", FOLDERS))
    for name, break_it in cases.items()
}
