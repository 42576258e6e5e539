"""Prints, as JSON, what W&B's generated client (weave 0.54.0) knows of the routes that an exporter reads.

`{"GET /v2/...": {"parameters": [...], "answer": JSON schema of the answer or of one of its lines}}`
"""

import inspect
import json
import re
import sys
import typing
from typing import Any

import pydantic
from weave.vendor.weave_server_sdk import resources

OPTIONS = {"self", "accept", "extra_headers", "extra_query", "extra_body", "timeout"}
CALL = re.compile(r'self\._(get|post)\(\s*(?:path_template\(\s*)?"([^"]+)"')


def answer_of(method: Any) -> Any:
    """The model that a method returns, or decodes each line into."""
    returned = typing.get_type_hints(method).get("return")
    return (typing.get_args(returned) or (returned,))[0]


def describe(method: Any) -> dict[str, Any]:
    names = [name for name in inspect.signature(method).parameters if name not in OPTIONS]
    answer = answer_of(method)
    is_untyped = answer in (object, None, type(None))
    return {"parameters": names, "answer": {} if is_untyped else pydantic.TypeAdapter(answer).json_schema()}


def routes() -> dict[str, dict[str, Any]]:
    made = {}
    for resource in (getattr(resources, name) for name in resources.__all__):
        is_sync = inspect.isclass(resource) and not re.match("Async", resource.__name__)
        for _, method in inspect.getmembers(resource, inspect.isfunction) if is_sync else ():
            found = CALL.search(inspect.getsource(method))
            if found and f"{found[1].upper()} {found[2]}" in sys.argv[1:]:
                made[f"{found[1].upper()} {found[2]}"] = describe(method)
    return made


if __name__ == "__main__":
    print(json.dumps(routes()))
