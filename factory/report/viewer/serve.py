"""Serving the viewer on loopback."""

from __future__ import annotations

import socket
from pathlib import Path

from factory.errors import UsageError
from factory.report.step_folders import open_run

HOST = "127.0.0.1"


def open_socket(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one.

    Raises:
        UsageError: the port is taken or not allowed.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise UsageError(
            f"cannot listen on {HOST}:{port}: {error.strerror}", do="choose another --port"
        ) from error
    listening.listen(128)
    return listening


def serve(run: Path, listening: socket.socket) -> None:
    """Serve the viewer of a run until it is stopped.

    Raises:
        UsageError: `run` holds no tables.
    """
    import uvicorn

    from factory.progress import watch
    from factory.report.viewer.app import build_app

    with watch("checking parts", None, "run") as task:
        tables = open_run(run)
        task.advance()
    port = listening.getsockname()[1]
    hosts = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost"))
    app = build_app(tables, hosts=hosts)
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off")
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        app.state.sheets.close()
