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
from collections.abc import Sequence

from factory.errors import FactoryError, Stopped, UsageError


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
        kind = {2: UsageError, 3: Stopped}.get(code, FactoryError)
        reason = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise kind(f"{what} {reason}", do=do)


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(3)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
