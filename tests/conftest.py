"""Settings of the whole test run, made before torch is loaded."""

import os
import signal
import threading
from collections.abc import Iterator

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# A shell that starts the tests in the background has Ctrl-C ignored, nohup a hangup; all processes of the tests would
# inherit that.
if threading.current_thread() is threading.main_thread():
    for sign, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(sign) == signal.SIG_IGN:
            signal.signal(sign, handler)

import pytest

from factory.text import compiled
from tests.servers.running import servers


@pytest.fixture
def serve():
    """Start fault servers: `serve(faults={...}, ...)` is one; all are stopped at the end."""
    with servers() as start:
        yield start


@pytest.fixture(params=["arrays", "kernels"])
def both_codes(request: pytest.FixtureRequest) -> Iterator[str]:
    """For what holds for array code and for compiled kernels alike."""
    with compiled.forced(request.param == "kernels"):
        yield request.param
