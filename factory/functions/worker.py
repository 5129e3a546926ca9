"""The process in which a function of the user's own runs: `python -m factory.functions.worker FILE NAME SECONDS`.

The function gets the fields that it asks for, and may compute. It may not use the network or start processes: what it
says must depend on the row alone. Whatever it does, the row gets one answer: a value, or one line that says why not.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import random
import signal
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from factory.engines.frames import enter_worker, frame, read_frame
from factory.functions.offline import go_offline

OUT_OF_MEMORY = 77
"""Exit code of a process whose function ran out of memory: the row is tried once more in a fresh one."""
MOST_BYTES = 16 * 2**20
"""Of one returned value."""
_NETWORK = frozenset((
    "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname",
    "socket.gethostbyaddr", "socket.getnameinfo",
))  # fmt: skip
_PROCESSES = frozenset((
    "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen", "os.kill",
    "os.killpg", "pty.spawn",
))  # fmt: skip
"""Audit events (docs.python.org/3/library/audit_events.html)."""


class Guard:
    """Refuses the network and processes, and remembers it: a function that swallows the error has no say either."""

    def __init__(self) -> None:
        self.refused: str | None = None
        sys.addaudithook(self._look)

    def _look(self, event: str, _: tuple[Any, ...]) -> None:
        what = "uses the network" if event in _NETWORK else "starts or signals processes"
        if event not in _NETWORK and event not in _PROCESSES:
            return
        if not _importing():
            self.refused = what
        raise PermissionError(f"a function of your own that {what} is refused ({event})")


def _importing() -> bool:
    """Whether a module is being imported: some probe the system, and do without when that is refused."""
    at: types.FrameType | None = sys._getframe(2)
    while at is not None:
        if at.f_code.co_name == "_find_and_load":
            return True
        at = at.f_back
    return False


def load(file: Path, name: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The function, and its parameters: `required`, `optional`, `positional` (only so) and `every` (`**rest`).

    Raises:
        TypeError: it is nothing that can be called row by row; says why.
    """
    sys.path.insert(0, str(file.parent))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        raise TypeError(f"{name} is {_a(function)}, no function")
    if isinstance(function, type):
        raise TypeError(f"{name} is a class: name a function")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{name} is async: write it as a plain def")
    if inspect.isgeneratorfunction(function):
        raise TypeError(f"{name} has yield in it: return the value instead")
    parameters = list(inspect.signature(function).parameters.values())
    own = [each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    return function, {
        "required": [each.name for each in own if each.default is each.empty],
        "optional": [each.name for each in own if each.default is not each.empty],
        "positional": [each.name for each in own if each.kind is each.POSITIONAL_ONLY],
        "every": any(each.kind is each.VAR_KEYWORD for each in parameters),
    }


def said(error: BaseException, file: Path) -> str:
    """One line: type, message, and where in the user's file."""
    try:
        text = " ".join(str(error).split())[:200]
    except BaseException:
        text = ""
    name = type(error).__name__ + (f": {text}" if text else "")
    lines = []
    at = error.__traceback__
    while at is not None:
        if at.tb_frame.f_code.co_filename == str(file):
            lines.append(at.tb_lineno)
        at = at.tb_next
    return f"{name} ({file.name}:{lines[-1]})" if lines else name


def plain(value: Any) -> str:
    """A value as JSON; numbers of numpy as Python's.

    Raises:
        TypeError: it is no plain value.
    """
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        raise TypeError(
            f"returned {_a(value)}; only texts, numbers, booleans, lists and dicts of them are taken"
        ) from None
    if len(text) > MOST_BYTES:
        raise TypeError(f"returned more than {MOST_BYTES >> 20} MiB")
    return text


def _a(value: Any) -> str:
    name = "None" if value is None else type(value).__name__
    return name if value is None else f"an {name}" if name[:1] in "aeiouAEIO" else f"a {name}"


def serve(file: Path, name: str, seconds: float) -> None:
    """Answer rows until the stream ends; each has `seconds` of processor time."""
    source, sink = enter_worker()
    guard = Guard()
    go_offline()
    pid = os.getpid()

    def send(value: Any) -> None:
        sink.write(frame(value))
        sink.flush()

    send({"event": "loading"})
    try:
        function, facts = load(file, name)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except BaseException as error:
        send({"event": "failed", "why": said(error, file)})
        return
    send({"event": "loaded", **facts})
    while (batch := read_frame(source)) is not None:
        for fields in batch:
            guard.refused, wrong = None, None
            random.seed(json.dumps(fields, sort_keys=True))
            args = [fields.pop(each) for each in facts["positional"] if each in fields]
            began = time.process_time()
            # The signal's default action ends the process, whatever the function does.
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_PROF, seconds)
            try:
                value = plain(function(*args, **fields))
            except MemoryError:
                os._exit(OUT_OF_MEMORY)
            except BaseException as caught:
                value, wrong = "null", said(caught, file)
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            if os.getpid() != pid:
                os._exit(0)  # a copy of this process must not answer for it
            reply = {"value": value, "error": guard.refused or wrong, "seconds": time.process_time() - began}
            send(reply)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
