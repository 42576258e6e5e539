"""Controls for tests, below `/__`: no key is asked for, nothing is logged."""

import datetime as dt
import pathlib
from typing import Annotated, Any

from fastapi import APIRouter, Body, FastAPI, HTTPException

import weave
from tests.weave_server.bulk import Bulk
from tests.weave_server.faults import Rule
from tests.weave_server.service import service
from tests.weave_server.traffic import Traffic

router = APIRouter()
Field = Body(embed=True)
TIMES = ("started_at", "ended_at", "deleted_at")


@router.get("/__info")
def info() -> dict[str, Any]:
    return {"weave": weave.__version__, **vars(service.settings)}


@router.post("/__config")
def configure(changes: dict[str, Any]) -> None:
    try:
        service.configure(**changes)
    except ValueError as error:
        raise HTTPException(422, str(error)) from None


@router.delete("/__config")
def configure_as_started() -> None:
    service.configure_as_started()


@router.post("/__reset")
def reset() -> None:
    service.oracle.drop_tables()
    service.projects.clear()
    service.written()


@router.post("/__save")
def save(path: Annotated[str, Field]) -> dict[str, int]:
    return {"bytes": pathlib.Path(path).write_bytes(service.dump())}


@router.post("/__load")
def load(path: Annotated[str, Field]) -> None:
    service.load(pathlib.Path(path).read_bytes())


@router.post("/__bulk")
def bulk(order: dict[str, Any]) -> list[str]:
    with service.lock:
        made = Bulk(**order).write()
        service.projects.add(order["project"])
        service.written()
    return made


@router.post("/__call/set")
def set_fields(
    project: Annotated[str, Field], call_id: Annotated[str, Field], fields: Annotated[dict[str, Any], Field]
) -> None:
    """Overwrites what is stored of a call: times, exception, output, inputs; refs as clients see them."""
    call = stored_call(project, call_id)
    for name, value in fields.items():
        stored = moment(value) if name in TIMES else service.internal(value)
        setattr(call, name, stored)
    service.written()


@router.post("/__call/shift")
def shift(project: Annotated[str, Field], call_id: Annotated[str, Field], seconds: Annotated[float, Field]) -> None:
    """Moves the whole trace of a call in time."""
    moved = stored_call(project, call_id)
    for call in service.oracle._calls.values():
        if (call.project_id, call.trace_id) == (moved.project_id, moved.trace_id):
            call.started_at += dt.timedelta(seconds=seconds)
            call.ended_at = call.ended_at and call.ended_at + dt.timedelta(seconds=seconds)
    service.written()


def stored_call(project: str, call_id: str) -> Any:
    call = service.oracle._calls.get((service.identities.internal(project), call_id))
    if call is None:
        raise HTTPException(404, f"No call {call_id} in {project}")
    return call


def moment(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def add_traffic_controls(app: FastAPI, traffic: Traffic) -> None:
    @app.get("/__requests")
    def requests(match: str = "") -> list[dict[str, Any]]:
        return [entry for entry in traffic.log if match in entry["path"]]

    @app.delete("/__requests")
    def clear_requests() -> None:
        traffic.log.clear()

    @app.get("/__faults")
    def faults() -> list[Rule]:
        return traffic.rules

    @app.post("/__faults")
    def add_faults(rules: list[dict[str, Any]]) -> list[Rule]:
        try:
            traffic.rules += [Rule(**rule) for rule in rules]
        except (TypeError, ValueError) as error:
            raise HTTPException(422, str(error)) from None
        return traffic.rules

    @app.delete("/__faults")
    def clear_faults() -> None:
        traffic.rules.clear()
