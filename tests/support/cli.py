"""The command line as a user types it."""

import io
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from unittest import mock

from factory.cli.main import main

COMMAND = [sys.executable, "-m", "factory.cli.main"]


def run_factory(*words: object, cwd=".", **environment: str) -> subprocess.CompletedProcess[str]:
    """`factory WORDS` in this process: its exit code and what it said.

    Where a process is the point (signals, imports, memory, a terminal), there is `start_factory`.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    with (
        mock.patch.dict(os.environ, {"FACTORY_PROGRESS": "off"} | environment),
        mock.patch.multiple(sys, argv=["factory", *map(str, words)], stdin=io.StringIO()),
        chdir(cwd),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
    out.flush()
    err.flush()
    said = (stream.buffer.getvalue().decode("utf-8", "replace") for stream in (out, err))
    return subprocess.CompletedProcess(["factory", *words], code, *said)


def start_factory(
    *words: object, cwd=None, timeout=240, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`factory WORDS` in a process of its own."""
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"FACTORY_PROGRESS": "off"} | environment,
        check=False,
    )
