"""The app and the process that serves it."""

import json
import logging
import socket
import sys
import threading
from typing import Any

import uvicorn
from fastapi import FastAPI

from tests.weave_server import accounts, controls
from tests.weave_server.service import service
from tests.weave_server.traffic import Traffic
from tests.weave_server.v1 import add_v1
from tests.weave_server.v2 import add_v2


def make_app() -> Traffic:
    # The SDK posts JSON without a Content-Type.
    app = FastAPI(title="Weave trace server", strict_content_type=False)
    add_v1(app)
    add_v2(app)
    app.include_router(accounts.router)
    app.include_router(controls.router)
    traffic = Traffic(app)
    controls.add_traffic_controls(app, traffic)
    return traffic


def run(settings: dict[str, Any]) -> None:
    """Serves on a free local port, printed as the first line, until standard input ends."""
    logging.basicConfig(level="WARNING")
    service.start_settings = settings
    service.configure_as_started()
    app = make_app()
    listener = listen()
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_keep_alive=30)
    server = uvicorn.Server(config)
    threading.Thread(target=stop_with_parent, args=[server], daemon=True).start()
    server.run(sockets=[listener])


def listen() -> socket.socket:
    # With the protocol named, asyncio turns Nagle's algorithm off; else each answer takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


def stop_with_parent(server: uvicorn.Server) -> None:
    sys.stdin.read()
    server.should_exit = True
