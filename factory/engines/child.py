"""Run a module as a child that dies with its parent: `python -m factory.engines.child train.run --stage sft ...`.

The parent holds the write end of the child's stdin. When the parent goes, even by kill -9, stdin closes and the child
ends at once, so that a run that is started again never meets a trainer of its former life.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from factory.errors import FactoryError, Stopped, UsageError
from factory.redaction import printable


def run_child(module: str, arguments: Sequence[str], *, what: str, do: str) -> None:
    """Run `module` with `arguments` in a process of its own and wait for it.

    Args:
        module: dotted name, run as `__main__`.
        arguments: its command line.
        what: what it does, for the error line.
        do: what the user can do when it fails.

    Raises:
        Stopped: the child stopped in a way that can be resumed (exit code 3).
        UsageError: it refused its input (exit code 2).
        FactoryError: it failed otherwise.
    """
    command = [sys.executable, "-m", "factory.engines.child", module, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise
    finally:
        if process.stdin:
            process.stdin.close()
    if code:
        _raise(code, what, do)


def run_children(
    module: str, jobs: Sequence[Sequence[str]], logs: Path, *, what: str, do: str, poll: Callable[[], None]
) -> None:
    """Run `module` once for each of `jobs`, all at the same time, and wait for them; the first that fails ends the others.

    Args:
        module: dotted name, run as `__main__`.
        jobs: a command line for each.
        logs: folder for what each of them says.
        what: what they do, for the error line.
        do: what the user can do when one fails.
        poll: called while they run.

    Raises:
        Stopped, UsageError, FactoryError: as `run_child`, with the last line that the child said.
    """
    command = [sys.executable, "-m", "factory.engines.child", module]
    logs.mkdir(parents=True, exist_ok=True)
    paths = [logs / f"{number}.log" for number in range(len(jobs))]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for words, path in zip(jobs, paths, strict=True):
            with path.open("wb") as log:
                started.append(
                    subprocess.Popen([*command, *words], stdin=subprocess.PIPE, stdout=log, stderr=log)
                )
        while any(child.poll() is None for child in started):
            for child, path in zip(started, paths, strict=True):
                if child.poll():
                    _raise(child.returncode, f"{what} ({_last_line(path)})", do)
            poll()
            time.sleep(0.2)
        poll()
        for child, path in zip(started, paths, strict=True):
            if child.returncode:
                _raise(child.returncode, f"{what} ({_last_line(path)})", do)
    finally:
        for child in started:
            if child.stdin:
                child.stdin.close()  # it ends at once
        for child in started:
            child.wait()


def _raise(code: int, what: str, do: str) -> NoReturn:
    kind = {2: UsageError, 3: Stopped}.get(code, FactoryError)
    reason = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    raise kind(f"{what} {reason}", do=do)


def _last_line(path: Path) -> str:
    lines = [line for line in path.read_text("utf-8", "replace").splitlines() if line.strip()]
    return printable(lines[-1]) if lines else "it said nothing"


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(3)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
