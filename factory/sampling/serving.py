"""A vLLM or SGLang server of our own: started on loopback, waited for, and stopped at the end."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from factory.config.generate import GenerateSection
from factory.errors import FactoryError, UsageError
from factory.leftovers import temporary
from factory.progress import watch
from factory.sampling.presets import LOCAL

READY_SECONDS = 1800.0
"""Large models take long to load."""
_ERROR = re.compile(r"\b[A-Z]\w*(?:Error|Exception): .+")
STOP_SECONDS = 20.0
"""What a server gets to end by itself before it is killed."""


def server_command(engine: str, model: str, port: int, python: str | None = None) -> list[str]:
    """The command that starts an engine's OpenAI-compatible server on loopback.

    `python` is the interpreter of the environment that holds the engine: `FACTORY_SERVE_PYTHON`, else this one.
    Words in `FACTORY_SERVE_ARGS` are handed to the server as they are (`--tensor-parallel-size 8`).
    `vllm serve` is not used because it fails on builds with another distribution name.
    """
    more = shlex.split(os.environ.get("FACTORY_SERVE_ARGS", ""))
    python = python or os.environ.get("FACTORY_SERVE_PYTHON") or sys.executable
    if engine == "sglang":
        start = ["-m", "sglang.launch_server", "--model-path", model]
    else:
        start = ["-m", "vllm.entrypoints.openai.api_server", "--model", model]
    # The address comes last, so that no further word can open the server to the network.
    return [python, *start, *more, "--host", "127.0.0.1", "--port", str(port)]


@contextmanager
def serving(command: Sequence[str], port: int, *, ready_seconds: float = READY_SECONDS) -> Iterator[str]:
    """Run a server for the time of a job.

    Yields:
        Its base URL.

    Raises:
        FactoryError: it ended or did not answer in time; names its log and quotes the last line.
    """
    log = temporary("serve", f"-{port}.log")
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        _wait(process, port, log, ready_seconds)
        try:
            yield f"http://127.0.0.1:{port}/v1"
            log.unlink(missing_ok=True)  # it went well: nobody has to read it
        except FactoryError as error:
            if process.poll() is None:
                raise
            # "Cannot reach" is only what it looked like from outside.
            said = f"the server ended while it was in use: {_reason(log)}"
            raise FactoryError(said, do=f"see {log}") from error
    finally:
        _stop(process)


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int, log: Path, seconds: float) -> None:
    until = time.monotonic() + seconds
    with watch("starting the server", None, "seconds") as task:
        while time.monotonic() < until:
            if process.poll() is not None:
                raise FactoryError(
                    f"the server ended with code {process.returncode}: {_reason(log)}", do=f"see {log}"
                )
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=2):
                    return
            except OSError:
                time.sleep(0.5)
                task.advance(0.5)
    raise FactoryError(f"the server did not answer within {seconds:g} s: {_reason(log)}", do=f"see {log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and its workers: they share a process group of their own, and may outlive its leader."""
    for sign, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0)):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, sign)
        until = time.monotonic() + seconds
        while _alive(process) and time.monotonic() < until:
            time.sleep(0.05)
        if not _alive(process):
            return


def _alive(process: subprocess.Popen[bytes]) -> bool:
    """True while the leader or anyone else of the group runs."""
    if process.poll() is None:
        return True
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # All that is left has ended and waits to be reaped by its parent (macOS).
        return False
    return True


def _reason(log: Path) -> str:
    """The first error that a log names, since what follows is mostly its consequence; else the last line."""
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    errors = [found[0] for line in lines if (found := _ERROR.search(line))]
    return (errors or lines or ["it said nothing"])[0 if errors else -1][:200]


@contextmanager
def served(section: GenerateSection) -> Iterator[GenerateSection]:
    """With `serve`, a server of our own for the time of the job, and the section that points to it."""
    if section.serve is None:
        yield section
        return
    if section.teacher in LOCAL:
        raise UsageError("--serve needs a teacher behind an endpoint", do="give --teacher vllm or sglang")
    port = free_port()
    engine = "sglang" if section.teacher == "sglang" else "vllm"
    with serving(server_command(engine, section.serve, port), port) as url:
        yield section.model_copy(update={"base_url": url})
