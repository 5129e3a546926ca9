"""The fault server as a process of its own, for tests."""

import json
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

SERVER = Path(__file__).parent / "fault_server.py"


@contextmanager
def servers():
    """Gives a function that starts servers: `serve(faults={...}, ...)` is one; all are stopped at the end."""
    started = []

    def start(**settings):
        started.append(FaultServer(settings))
        return started[-1]

    try:
        yield start
    finally:
        for server in started:
            server.stop()


class FaultServer:
    """A running tests/servers/fault_server.py."""

    def __init__(self, settings):
        command = [sys.executable, str(SERVER), json.dumps(settings)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=20) as reply:
            return json.load(reply)

    def set(self, **settings):
        data = json.dumps(settings).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/settings", data, timeout=20):
            pass

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
