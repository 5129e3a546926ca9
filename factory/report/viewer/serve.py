"""Serving the viewer: on loopback, or with a token on another address; and how the user gets there."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path

from factory.errors import UsageError
from factory.report.step_folders import open_run

HOST = "127.0.0.1"
LOCAL = ("127.0.0.1", "localhost", "::1")


def open_socket(port: int, host: str = HOST) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        UsageError: the port is taken or not allowed, or the address is not this machine's.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise UsageError(
            f"cannot listen on {host}:{port}: {error.strerror}", do="choose another --port or --host"
        ) from error
    listening.listen(128)
    return listening


def new_token(host: str) -> str | None:
    """A secret that every request must bring; none on loopback, which only this machine reaches."""
    return None if host in LOCAL else secrets.token_urlsafe(24)


def address(host: str, port: int, token: str | None) -> str:
    """What to open in a browser."""
    shown = socket.gethostname() if host in ("0.0.0.0", "::") else host
    shown = f"[{shown}]" if ":" in shown else shown
    return f"http://{shown}:{port}/" + (f"?token={token}" if token else "")


def from_elsewhere(port: int, environment: Mapping[str, str] = os.environ) -> str | None:
    """The line that brings a loopback viewer to the machine from which this one is used over SSH; None without SSH."""
    fields = environment.get("SSH_CONNECTION", "").split()
    if len(fields) != 4:
        return None
    return f"ssh -L {port}:{HOST}:{port} {getpass.getuser()}@{fields[2]}"


def can_open_browser(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Whether a browser on this screen makes sense: a person at a terminal, no CI, no SSH, a display."""
    if any(environment.get(name) for name in ("CI", "SSH_CONNECTION", "SSH_TTY")):
        return False
    display = platform in ("darwin", "win32") or any(
        environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return display and sys.stdout.isatty()


def serve(
    run: Path,
    listening: socket.socket,
    *,
    token: str | None = None,
    reviewer: str = "",
    browse: str | None = None,
) -> None:
    """Serve the viewer of a run until it is stopped; open `browse` in a browser first.

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
    hosts = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))
    app = build_app(tables, hosts=hosts, token=token, reviewer=reviewer)
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off")
    if browse:
        webbrowser.open(browse)  # the socket listens already: the page waits for the server
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        app.state.live.close()
