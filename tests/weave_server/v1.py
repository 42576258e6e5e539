"""The routes of the v1 API: a request model as JSON body, an answer as JSON or JSON lines."""

from fastapi import FastAPI
from weave.trace_server import trace_server_interface as tsi

from tests.weave_server.routes import Route, add_route

ROUTES = (
    ("/call/start", "CallStartReq", "call_start"),
    ("/call/end", "CallEndReq", "call_end"),
    ("/call/upsert_batch", "CallCreateBatchReq", "call_start_batch"),
    ("/call/update", "CallUpdateReq", "call_update"),
    ("/call/read", "CallReadReq", "call_read"),
    ("/calls/delete", "CallsDeleteReq", "calls_delete"),
    ("/calls/stream_query", "CallsQueryReq", "calls_query_stream"),
    ("/calls/query_stats", "CallsQueryStatsReq", "calls_query_stats"),
    ("/obj/create", "ObjCreateReq", "obj_create"),
    ("/obj/read", "ObjReadReq", "obj_read"),
    ("/obj/delete", "ObjDeleteReq", "obj_delete"),
    ("/objs/query", "ObjQueryReq", "objs_query"),
    ("/table/create", "TableCreateReq", "table_create"),
    ("/table/update", "TableUpdateReq", "table_update"),
    ("/table/create_from_digests", "TableCreateFromDigestsReq", "table_create_from_digests"),
    ("/table/query", "TableQueryReq", "table_query"),
    ("/table/query_stats", "TableQueryStatsReq", "table_query_stats"),
    ("/refs/read_batch", "RefsReadBatchReq", "refs_read_batch"),
    ("/cost/create", "CostCreateReq", "cost_create"),
    ("/cost/query", "CostQueryReq", "cost_query"),
    ("/feedback/create", "FeedbackCreateReq", "feedback_create"),
    ("/feedback/batch/create", "FeedbackCreateBatchReq", "feedback_create_batch"),
    ("/feedback/query", "FeedbackQueryReq", "feedback_query"),
    ("/feedback/purge", "FeedbackPurgeReq", "feedback_purge"),
    ("/evaluations/status", "EvaluationStatusReq", "evaluation_status"),
    # v2 by name, v1 by shape: the project is given twice, in the path and in the body
    ("/v2/{entity}/{project}/calls/complete", "CallsUpsertCompleteReq", "calls_complete"),
    ("/v2/{entity}/{project}/call/start", "CallStartV2Req", "call_start_v2"),
    ("/v2/{entity}/{project}/call/end", "CallEndV2Req", "call_end_v2"),
)


def add_v1(app: FastAPI) -> None:
    for path, name, method in ROUTES:
        model = getattr(tsi, name)
        add_route(app, Route("POST", path, model, method, body=model))
