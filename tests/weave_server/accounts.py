"""What the SDK asks for beside the trace API: the server's version, the user, the project, files."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.responses import JSONResponse, Response
from weave.trace_server import trace_server_interface as tsi

import weave
from tests.weave_server.access import User
from tests.weave_server.replies import error_reply, reply
from tests.weave_server.service import service

router = APIRouter()


@router.get("/server_info")
def server_info() -> dict[str, str]:
    version = f"oracle-{weave.__version__}"
    return {"min_required_weave_python_version": "0.0.1", "trace_server_version": version}


@router.post("/service/projects_info")
def projects_info(request: tsi.ProjectsInfoReq, user: User) -> Any:
    return [project.model_dump() for project in service.external.projects_info(request)]


@router.post("/graphql")
async def graphql(request: Request, user: User) -> Any:
    """Enough of W&B's GraphQL API for `weave.init`."""
    asked = await request.json()
    query, variables = asked.get("query", ""), asked.get("variables") or {}
    if "upsertModel" in query:
        service.projects.add(f"{variables['entity']}/{variables['name']}")
        return {"data": {"upsertModel": {"model": {"name": variables["name"], "description": None}}}}
    if "viewer" in query:
        entity = {"name": service.settings.default_entity}
        return {"data": {"viewer": {"username": "oracle-user", "defaultEntity": entity}}}
    if "serverInfo" in query:
        return {"data": {"serverInfo": {"frontendHost": str(request.base_url).rstrip("/")}}}
    if "project(" in query:
        return {"data": {"project": project(variables["entityName"], variables["name"])}}
    return JSONResponse({"errors": [{"message": "unsupported query"}]})


def project(entity: str, name: str) -> dict[str, str] | None:
    if entity == service.settings.forbidden_entity:
        return None
    service.projects.add(f"{entity}/{name}")
    return {"name": name}


@router.post("/file/create")
@router.post("/files/create")
async def file_create(user: User, project_id: Annotated[str, Form()], file: UploadFile) -> Response:
    content = await file.read()
    request = tsi.FileCreateReq(project_id=project_id, name=file.filename or "unnamed", content=content)
    with service.lock:
        return reply(lambda: service.external.file_create(request))


@router.post("/file/content")
@router.post("/files/content")
def file_content(request: tsi.FileContentReadReq, user: User) -> Response:
    try:
        content = service.external.file_content_read(request).content
    except Exception as error:  # noqa: BLE001 - W&B's error table says what each becomes
        return error_reply(error)
    return Response(content, media_type="application/octet-stream")
