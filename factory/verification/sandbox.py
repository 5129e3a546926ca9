"""Running programs that nobody trusts: their own processes, no files, no network, bounded time, memory and output.

What holds where:
- Linux on x86-64: a system call filter with a look at arguments (`contained/isolate.py`), always; where `bwrap`
  (bubblewrap) is installed and works, the filtered process also lives in namespaces of its own.
- Other Linux with a working `bwrap`: namespaces only. The kernel's system calls are all there.
- Elsewhere nothing can be contained and no program is run; `available` says so.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from factory.verification.contained import isolate, wire

OUTPUT_BYTES = 2**20
"""A program that prints more is ended."""
WALL = 10
"""A program may wait, or be kept waiting by a busy machine, this many times longer than it may compute."""
TOTAL_SECONDS = 20
"""Limit of a contained process in processor time over its whole life, kept by the kernel."""
_CHILD = Path(__file__).resolve().parent / "contained" / "__main__.py"
_POLL = 0.02


@dataclass(frozen=True, slots=True)
class Run:
    """How a program ended."""

    ok: bool
    output: str
    reason: str
    missing: str | None = None
    """The module that it wanted to import and that is not there."""


class Ended(Exception):
    """A contained process ended, or was ended because it met a limit."""


def available() -> bool:
    """Whether programs can be contained on this machine."""
    return isolate.filtered() or bool(jail())


@cache
def jail() -> tuple[str, ...]:
    """The command in front of a program that puts it into namespaces; empty where `bwrap` is absent or does not work."""
    tool = shutil.which("bwrap")
    if tool is None or sys.platform != "linux":
        return ()
    shown = {
        "/usr",
        "/lib",
        "/lib64",
        "/bin",
        "/etc/ld.so.cache",
        sys.base_prefix,
        sys.prefix,
        str(_CHILD.parent),
    }
    binds = [word for path in sorted(shown) if Path(path).exists() for word in ("--ro-bind", path, path)]
    command = (
        tool, "--unshare-user", "--unshare-ipc", "--unshare-net", "--unshare-uts", "--die-with-parent", "--new-session",
        *binds, "--tmpfs", "/tmp", "--chdir", "/tmp",
    )  # fmt: skip
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        probe = subprocess.run(
            [*command, sys.executable, "-I", "-S", "-c", "print(7)"],
            capture_output=True,
            timeout=20,
            check=False,
        )
        if probe.stdout == b"7\n":
            return command
    return ()


class Contained:
    """A contained process that is given one job and then talked to in frames."""

    def __init__(self, job: dict[str, Any], *, stdin: bytes | None = None) -> None:
        """Start it. With `stdin`, what it prints is kept in `output`; otherwise that is thrown away."""
        if not available():
            raise Ended("no sandbox on this system")
        down, self._sink = os.pipe()
        self._source, up = os.pipe()
        piped = subprocess.PIPE if stdin is not None else subprocess.DEVNULL
        command = [*jail(), sys.executable, "-I", "-S", "-B", str(_CHILD), str(down), str(up)]
        try:
            self.process = subprocess.Popen(
                command,
                stdin=piped,
                stdout=piped,
                stderr=subprocess.DEVNULL,
                pass_fds=(down, up),
                env={"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"},
                start_new_session=True,
            )
        finally:
            os.close(down)
            os.close(up)
        self.output = bytearray()
        self._frames = bytearray()
        self._stdin = memoryview(stdin or b"")
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
        self.send(job)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process and its children."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for fd in (self._source, self._sink):
            with contextlib.suppress(OSError):
                os.close(fd)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def send(self, message: Any) -> None:
        """Send a frame; one that is bytes is passed on as it is.

        Raises:
            Ended: nobody reads any more.
        """
        try:
            wire.write(self._sink, message)
        except wire.Broken as error:
            raise Ended(str(error)) from None

    def receive(self, seconds: float) -> bytes:
        """The next frame, undecoded.

        Raises:
            Ended: the process ended, printed too much, or used `seconds` of processor time (or `WALL` times as much
                wall-clock time) without an answer.
        """
        began, used = time.monotonic(), self._used()
        while True:
            frame = self._frame()
            if frame is not None:
                return frame
            if time.monotonic() - began > seconds * WALL:
                raise Ended(f"did not end within {seconds * WALL:g} s of wall-clock time")
            if self._used() - used > seconds:
                raise Ended(f"did not end within {seconds:g} s of processor time")
            self._pump()

    def _used(self) -> float:
        """Processor time of the process so far, as the kernel counts it; 0 where that cannot be read."""
        try:
            pid = self.process.pid
            if jail():  # bwrap watches, and its child is the program
                pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
            return time.clock_gettime((~pid << 3) | 2)
        except (OSError, IndexError, ValueError):
            return 0.0

    def _frame(self) -> bytes | None:
        if len(self._frames) < 4:
            return None
        size = int.from_bytes(self._frames[:4], "big")
        if size > wire.MAX_FRAME:
            raise Ended("sent too much data")
        if len(self._frames) < 4 + size:
            return None
        body = bytes(self._frames[4 : 4 + size])
        del self._frames[: 4 + size]
        return body

    def _pump(self) -> None:
        """Move what can be moved through the pipes within a moment."""
        stdin, stdout = self.process.stdin, self.process.stdout
        reads = [self._source, *([stdout.fileno()] if stdout and not stdout.closed else [])]
        writes = [stdin.fileno()] if stdin and not stdin.closed else []
        ready, free, _ = select.select(reads, writes, [], _POLL)
        if free and stdin:
            self._feed()
        if stdout and not stdout.closed and stdout.fileno() in ready:
            chunk = os.read(stdout.fileno(), 1 << 16)
            self.output += chunk
            if not chunk:
                stdout.close()
            if len(self.output) > OUTPUT_BYTES:
                raise Ended(f"printed more than {OUTPUT_BYTES >> 20} MiB")
        if self._source in ready:
            chunk = os.read(self._source, 1 << 16)
            if not chunk:
                raise Ended(self._death())
            self._frames += chunk

    def _feed(self) -> None:
        stdin = self.process.stdin
        assert stdin is not None
        try:
            self._stdin = (
                self._stdin[os.write(stdin.fileno(), self._stdin[: 1 << 16]) :]
                if self._stdin
                else self._stdin
            )
        except BlockingIOError:
            return
        except OSError:
            self._stdin = memoryview(b"")
        if not self._stdin:
            with contextlib.suppress(OSError):
                stdin.close()

    def _death(self) -> str:
        """Why the process has gone."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1.0)
        status = self.process.returncode
        if status in (-signal.SIGKILL, -signal.SIGXCPU, 128 + signal.SIGKILL, 128 + signal.SIGXCPU):
            return f"did not end within {TOTAL_SECONDS} s of processor time"
        if status is None:
            return "closed its pipe"
        return "ended itself" if status >= 0 else f"was killed by signal {-status}"

    def rest(self) -> None:
        """Read what a program that has ended printed last."""
        stdout = self.process.stdout
        until = time.monotonic() + 1.0
        while stdout and not stdout.closed and time.monotonic() < until:
            with contextlib.suppress(Ended):
                ready = select.select([stdout.fileno()], [], [], _POLL)[0]
                chunk = os.read(stdout.fileno(), 1 << 16) if ready else b""
                self.output += chunk
                if (ready and not chunk) or len(self.output) > OUTPUT_BYTES:
                    return


def job(mode: str, source: str, **more: Any) -> dict[str, Any]:
    """The first frame for a contained process."""
    return {"mode": mode, "preload": source, "source": source, "seconds": TOTAL_SECONDS, **more}


def run_python(source: str, stdin: str = "", *, seconds: float = 5.0) -> Run:
    """Run a whole Python program.

    Args:
        source: the program.
        stdin: what it reads.
        seconds: limit of its processor time; `WALL` times as much wall-clock time is the backstop.

    Returns:
        Whether it ended without an exception, and what it printed (at most 1 MiB). Its exit status says nothing.
    """
    source = source.encode("utf-8", "replace").decode()
    try:
        with Contained(job("script", source), stdin=stdin.encode("utf-8", "replace")) as process:
            try:
                said = wire.loads(process.receive(seconds))
                reason = "ended"
            except Ended as error:
                said, reason = {}, str(error)
            except wire.Broken as error:
                said, reason = {}, str(error)
            process.rest()
            output = bytes(process.output[:OUTPUT_BYTES]).decode("utf-8", "replace")
    except Ended as error:
        return Run(False, "", str(error))
    if isinstance(said, dict) and "raised" in said:
        missing = said.get("missing")
        return Run(
            False, output, f"{first(said)}: {said.get('text')}"[:200], str(missing) if missing else None
        )
    return Run(reason in ("ended", "ended itself"), output, reason)


def first(said: dict[str, Any]) -> str:
    """The name of the class of an exception that a contained process told of."""
    names = said.get("raised")
    return str(names[0])[:80] if isinstance(names, list) and names else "error"
