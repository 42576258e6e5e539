"""The server's routes against W&B's generated client, so that the stand-in cannot drift from the real API."""

import json
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.stand_ins.environments import python_of
from tests.weave_server.process import WeaveServer, plain_environment

V2 = "/v2/{entity}/{project}"
ROUTES = (
    f"GET {V2}/evaluation_runs",
    f"GET {V2}/evaluation_runs/{{evaluation_run_id}}",
    f"POST {V2}/eval_results/query",
    f"GET {V2}/predictions",
    f"GET {V2}/predictions/{{prediction_id}}",
    f"GET {V2}/scores",
    f"GET {V2}/scores/{{score_id}}",
    "POST /calls/stream_query",
    "POST /call/read",
    "POST /calls/query_stats",
    "POST /objs/query",
    "POST /feedback/query",
    "POST /table/query",
    "POST /refs/read_batch",
)
# The client of 0.54.0 is newer than the server of 0.53.0: what it knows beyond it.
NEWER_PARAMETERS = {
    f"POST {V2}/eval_results/query": {"include_costs"},
    "POST /calls/stream_query": {"latest_only"},
}
NEWER_FIELDS = {
    f"POST {V2}/eval_results/query": {
        "rows.evaluations.trials.total_cost",
        "summary.evaluations.predict_total_cost",
    },
    "POST /feedback/query": {"total_count"},
}
UNTYPED = {"POST /calls/stream_query"}  # the client says `object`; a line is the `call` of /call/read

Schema = dict[str, Any]


@pytest.fixture(scope="module")
def client() -> dict[str, Any]:
    script = pathlib.Path(__file__).parent / "generated_client.py"
    command = [str(python_of("weave-client-0.54.0")), str(script), *ROUTES]
    done = subprocess.run(command, env=plain_environment(), capture_output=True, text=True, timeout=120, check=True)
    routes: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return routes


@pytest.fixture(scope="module")
def openapi(weave_server: WeaveServer) -> Schema:
    schema: Schema = weave_server.api("GET", "/openapi.json").json()
    return schema


def definition(schema: Schema, root: Schema) -> Schema:
    """What a schema refers to."""
    found: Any = schema
    while "$ref" in found:
        path = found["$ref"].removeprefix("#/").split("/")
        found = root
        for part in path:
            found = found[part]
    return dict(found)


def fields(schema: Schema, root: Schema, depth: int = 6) -> Iterator[str]:
    """The paths of all fields below a schema, such as `rows.evaluations.trials.scores`."""
    schema = definition(schema, root)
    for part in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())):
        yield from fields(part, root, depth)
    for name, field in schema.get("properties", {}).items() if depth else ():
        yield name
        yield from (f"{name}.{path}" for path in fields(field, root, depth - 1))


def operation(route: str, openapi: Schema) -> Schema:
    verb, path = route.split()
    found: Schema = openapi["paths"][path][verb.lower()]
    return found


def parameters(route: str, openapi: Schema) -> set[str]:
    found = operation(route, openapi)
    names = {parameter["name"] for parameter in found.get("parameters", ())}
    if "requestBody" in found:
        body = definition(found["requestBody"]["content"]["application/json"]["schema"], openapi)
        names |= body["properties"].keys()
    return names


@pytest.mark.parametrize("route", ROUTES)
def test_parameters_are_those_of_the_client(route: str, client: dict[str, Any], openapi: Schema) -> None:
    assert set(client[route]["parameters"]) ^ parameters(route, openapi) == NEWER_PARAMETERS.get(route, set())


@pytest.mark.parametrize("route", [route for route in ROUTES if route not in UNTYPED])
def test_answers_have_the_fields_of_the_client(route: str, client: dict[str, Any], openapi: Schema) -> None:
    theirs = set(fields(client[route]["answer"], client[route]["answer"]))
    answer = operation(route, openapi)["responses"]["200"]["content"]["application/json"]["schema"]
    ours = set(fields(answer, openapi))
    assert ours
    assert theirs ^ ours == NEWER_FIELDS.get(route, set())
