"""A real Chromium for tests, driven over its debugging pipe: no port is opened and nothing is installed."""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

BINARY = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


class Chrome:
    """One browser with one page.

    Collects dialogs (an `alert` that ran), console errors, what a policy refused, and the requests that really went out.
    """

    def __init__(self) -> None:
        self.home = tempfile.mkdtemp(prefix="chrome-test-")
        command_read, self._write = os.pipe()
        self._read, answer_write = os.pipe()
        # Chromium reads commands from descriptor 3 and answers on 4.
        redirect = f'exec 3<&{command_read} 4>&{answer_write}; exec "$0" "$@"'
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", redirect, BINARY, *FLAGS, f"--user-data-dir={self.home}", "about:blank"],
            pass_fds=(command_read, answer_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(command_read)
        os.close(answer_write)
        self._buffer = b""
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self.dialogs: list[str] = []
        self.refused: list[str] = []
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._urls: dict[str, str] = {}
        self.loaded = False
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def close(self) -> None:
        for end in (self._write, self._read):
            os.close(end)
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.home, ignore_errors=True)

    def send(self, method: str, **params: object) -> dict:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]

    def open(self, url: str) -> None:
        # What the page before still asks for must not count for this one.
        self.loaded = False
        self.send("Page.navigate", url="about:blank")
        self.wait(lambda: self.loaded)
        self.dialogs, self.refused, self.errors, self.requests, self.loaded = [], [], [], [], False
        self.send("Page.navigate", url=url)
        self.wait(lambda: self.loaded)
        self.settle()

    def settle(self, seconds: float = 0.25) -> None:
        """Let late scripts and failed loads happen."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.run("0")
            time.sleep(0.02)

    def wait(self, until, seconds: float = 300) -> None:
        end = time.monotonic() + seconds
        while not self._holds(until):
            assert time.monotonic() < end, "the page did not get there in time"
            self.run("0")
            time.sleep(0.02)

    def _holds(self, until) -> bool:
        try:
            return bool(until())
        except AssertionError:
            return False  # asked in the middle of a navigation: the old page is gone, the new one not there

    def run(self, script: str):
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    def media(
        self, *, scheme: str = "light", kind: str = "screen", width: int = 1280, height: int = 900
    ) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", media=kind, features=features)
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def screenshot(self, path: Path, *, whole: bool = True) -> Path:
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    def _next(self) -> dict:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], 300)
            assert ready, "chromium does not answer"
            piece = os.read(self._read, 1 << 20)
            assert piece, "chromium went away"
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\0")
        message = json.loads(line)
        self._note(message.get("method"), message.get("params", {}))
        return message

    def _note(self, method: str | None, params: dict) -> None:
        match method:
            case "Page.loadEventFired":
                self.loaded = True
            case "Page.javascriptDialogOpening":
                self.dialogs.append(params["message"])
                number = next(self._numbers)
                message = {
                    "id": number,
                    "method": "Page.handleJavaScriptDialog",
                    "params": {"accept": True},
                    "sessionId": self._session,
                }
                os.write(self._write, json.dumps(message).encode() + b"\0")
            case "Log.entryAdded":
                text = params["entry"]["text"]
                (self.refused if "Content Security Policy" in text else self.errors).append(text)
            case "Runtime.exceptionThrown":
                self.errors.append(json.dumps(params["exceptionDetails"])[:500])
            case "Network.requestWillBeSent":
                self._urls[params["requestId"]] = params["request"]["url"]
                self.requests.append(params["request"]["url"])
            case "Network.loadingFailed" if params.get("blockedReason") == "csp":
                self.requests.remove(self._urls[params["requestId"]])
