"""A synthetic run, made once for the tests that only read it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import chrome
import looking as looking_module
import synthetic_run

sys.path.pop(0)


@pytest.fixture(scope="session")
def make_run():
    return synthetic_run.make_run


@pytest.fixture(scope="session")
def rewrite():
    return synthetic_run.rewrite


@pytest.fixture(scope="session")
def full_run(tmp_path_factory):
    return synthetic_run.make_run(tmp_path_factory.mktemp("runs") / "synthetic")


@pytest.fixture(scope="session")
def hostile():
    return synthetic_run.HOSTILE


@pytest.fixture(scope="session")
def looking():
    return looking_module


@pytest.fixture(scope="session")
def browser():
    if chrome.BINARY is None:
        pytest.skip("no chromium on this machine: what a browser does is not checked")
    driven = chrome.Chrome()
    yield driven
    driven.close()


@pytest.fixture(scope="session")
def serve():
    """Serve a run with the real server on a free loopback port; give the address."""
    import threading

    import uvicorn

    from factory.report.step_folders import open_run
    from factory.report.viewer.app import build_app
    from factory.report.viewer.serve import open_socket

    running = []

    def start(run: Path) -> str:
        listening = open_socket(0)
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(
            build_app(open_run(run), hosts=frozenset({address})), log_level="warning", lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        running.append((server, thread))
        return f"http://{address}"

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="session", autouse=True)
def patient():
    """A page waits for its search as long as it takes: how fast that is on a busy machine, no test decides."""
    from factory.report.viewer import scan

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "PATIENCE", 60)
        yield
