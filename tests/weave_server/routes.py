"""Routes made from W&B's request models: path, query and body parameters follow from the models' fields."""

import dataclasses
import inspect
import re
import typing
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.responses import Response
from pydantic import BaseModel
from weave.trace_server import trace_server_interface as tsi
from weave.trace_server.errors import ProjectNotFound
from weave.trace_server.external_to_internal_trace_server_adapter import ExternalTraceServer

from tests.weave_server.access import User
from tests.weave_server.replies import error_reply, reply, reply_lines
from tests.weave_server.service import service

READS = re.compile("query|read|list|stats|status")
STREAMS = re.compile("_(list|stream)$")
KEYWORD = inspect.Parameter.KEYWORD_ONLY


@dataclasses.dataclass(frozen=True)
class Route:
    """One method of the trace server at one path; `model` is what the method takes."""

    verb: str
    path: str
    model: type[BaseModel]
    method: str
    body: type[BaseModel] | None

    @property
    def writes(self) -> bool:
        return not READS.search(self.method)

    @property
    def streams(self) -> bool:
        return bool(STREAMS.search(self.method))

    @property
    def answer(self) -> Any:
        """The model of the answer, or of one of its lines."""
        returned = typing.get_type_hints(getattr(ExternalTraceServer, self.method)).get("return")
        return typing.get_args(returned)[0] if self.streams else returned

    def parameters(self) -> list[inspect.Parameter]:
        path = [inspect.Parameter(name, KEYWORD, annotation=str) for name in self.path_names()]
        user = inspect.Parameter("user", KEYWORD, annotation=User)
        if self.body:
            return [*path, inspect.Parameter("body", KEYWORD, annotation=self.body), user]
        queries = query_parameters(self.model, {*path_fields(self.path_names()), "wb_user_id"})
        return [*path, *queries, user]

    def path_names(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    def request(self, given: dict[str, Any]) -> BaseModel:
        """What the method takes, from what came in."""
        body = given.pop("body", None)
        if isinstance(body, self.model):
            return stamp(body, given["user"])
        project = f"{given.pop('entity')}/{given.pop('project')}"
        fields = {**given, "project_id": project, "wb_user_id": given.pop("user")}
        if body:
            fields |= body.model_dump(by_alias=True)
        fields["filter"] = dict(fields)
        known = self.model.model_fields.keys() & fields.keys()
        return self.model(**{name: fields[name] for name in known})


def path_fields(names: list[str]) -> list[str]:
    """The fields of a model that a path gives."""
    return ["project_id" if name == "project" else name for name in names]


def query_parameters(model: type[BaseModel], known: set[str]) -> list[inspect.Parameter]:
    """The model's other fields, those of its filter spread out."""
    made = []
    for name, field in model.model_fields.items():
        if name == "filter":
            made += query_parameters(tsi.EvaluationRunFilter, known)
        elif name not in known:
            default = inspect.Parameter.empty if field.is_required() else field.default
            annotation = Annotated[field.annotation, Query()]  # type: ignore[name-defined]
            made.append(inspect.Parameter(name, KEYWORD, annotation=annotation, default=default))
    return made


def stamp(request: Any, user: str) -> Any:
    """The request with the user as author, wherever it names none."""
    for part in (request, getattr(request, "start", None), getattr(request, "obj", None)):
        if part is not None and "wb_user_id" in type(part).model_fields and part.wb_user_id is None:
            part.wb_user_id = user
    for item in getattr(request, "batch", None) or []:
        stamp(getattr(item, "req", item), user)
    return request


def serve(route: Route, given: dict[str, Any]) -> Response:
    asked = str(given)
    try:
        request = route.request(given)
    except ValueError as error:
        return error_reply(error)
    project = getattr(request, "project_id", None)
    if route.writes:
        return write(route, request, project)
    if service.is_unknown(project):
        return error_reply(ProjectNotFound(f"Project {project} not found"))
    return read(route, request, asked)


def write(route: Route, request: BaseModel, project: str | None) -> Response:
    with service.lock:
        answer = reply(lambda: getattr(service.external, route.method)(request))
        service.written()
        if project and answer.status_code == 200:
            service.projects.add(project)
    return answer


def read(route: Route, request: BaseModel, asked: str) -> Response:
    def call() -> Any:
        return getattr(service.external, route.method)(request)

    if route.streams:
        return reply_lines(call)
    if not service.settings.body_cache:
        return reply(call)
    return cached(route.path, asked, call)


def cached(path: str, asked: str, call: Any) -> Response:
    if (path, asked) not in service.bodies:
        answer = reply(call)
        if answer.status_code != 200:
            return answer
        service.bodies[path, asked] = bytes(answer.body)
    return Response(service.bodies[path, asked], media_type="application/json")


def add_route(app: FastAPI, route: Route) -> None:
    def endpoint(**given: Any) -> Response:
        return serve(route, given)

    endpoint.__name__ = route.method
    endpoint.__signature__ = inspect.Signature(route.parameters())  # type: ignore[attr-defined]
    app.add_api_route(route.path, endpoint, methods=[route.verb], response_model=route.answer)
