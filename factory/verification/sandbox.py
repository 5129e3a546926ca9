"""Running a program that nobody trusts: its own process, no files, no network, bounded time, memory and output.

A seccomp filter lets through only the system calls that computing, reading standard input and printing need. It is
installed before the first line of the program runs and cannot be taken off: there is no opening of files (so no
secrets of the parent either), no socket, no other process, no signal to one. The modules that the program imports are
loaded beforehand, from the standard library only. Where no filter can be installed (other systems and processors than
Linux on x86-64), nothing is run at all; `available` says so.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import platform
import re
import resource
import signal
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

MEMORY_BYTES = 512 * 2**20
OUTPUT_BYTES = 2**20
WALL = 10
"""A program may wait, or be kept waiting by a busy machine, this many times longer than it may compute."""
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_ARCHITECTURE = 0xC000003E
_ALLOWED = (
    0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,  # read write close stat fstat lstat poll lseek mmap ... sigreturn
    19, 20, 23, 24, 25, 28, 32, 35, 39, 60, 63, 72, 79, 89,  # readv writev select yield mremap madvise dup nanosleep ...
    96, 97, 98, 99, 100, 102, 104, 107, 108, 131, 158, 186,  # time, limits and usage (own), ids, sigaltstack, gettid
    202, 204, 228, 229, 230, 231, 262, 270, 271, 318, 324, 332, 334,  # futex, clocks, exit_group, newfstatat, getrandom
)  # fmt: skip
"""Numbers of the system calls of Linux on x86-64 that pass; every other one fails with EPERM."""
_NEVER_LOADED = frozenset(
    [
        "antigravity",
        "this",
        "idlelib",
        "tkinter",
        "turtle",
        "turtledemo",
        "ctypes",
        "webbrowser",
        "pip",
        "ensurepip",
        "lib2to3",
    ]
)


@dataclass(frozen=True, slots=True)
class Run:
    """How a program ended."""

    ok: bool
    output: str
    reason: str


def available() -> bool:
    """Whether programs can be contained on this machine."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


def run_python(source: str, stdin: str = "", *, seconds: float = 5.0) -> Run:
    """Run a Python program in an empty folder of its own.

    Args:
        source: the program.
        stdin: what it reads.
        seconds: limit of its processor time; `WALL` times as much wall-clock time is the backstop.

    Returns:
        Whether it ended by itself with status 0, and what it printed (at most 1 MiB).
    """
    if not available():
        return Run(False, "", "no sandbox on this system")
    with tempfile.TemporaryDirectory(prefix="factory-code-") as folder:
        Path(folder, "program.py").write_text(source, "utf-8", errors="replace")
        command = [sys.executable, "-I", "-S", "-B", str(Path(__file__).resolve())]
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": folder,
                "TMPDIR": folder,
                "PYTHONHASHSEED": "0",
                "LIMIT": str(seconds),
            },
            start_new_session=True,
        )
        return _wait(process, stdin, seconds)


def _wait(process: subprocess.Popen[bytes], stdin: str, seconds: float) -> Run:
    try:
        output, _ = process.communicate(stdin.encode("utf-8", "replace"), timeout=seconds * WALL)
    except subprocess.TimeoutExpired:
        _kill(process)
        return Run(False, "", f"did not end within {seconds * WALL:g} s of wall-clock time")
    finally:
        _kill(process)
    text = output[:OUTPUT_BYTES].decode("utf-8", "replace")
    if process.returncode == 0:
        return Run(True, text, "ended")
    if process.returncode in (-signal.SIGPROF, -signal.SIGXCPU):
        return Run(False, text, f"did not end within {seconds:g} s of processor time")
    last = text.strip().splitlines()[-1:] or [f"status {process.returncode}"]
    return Run(False, text, last[0][:200])


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _limit(seconds: float) -> None:
    """Bound this process's memory, time and output; let it die with its parent. The exact time limit is `_main`'s."""
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, int(seconds) + 2),
        (resource.RLIMIT_FSIZE, OUTPUT_BYTES),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def contain() -> None:
    """Give up, in this process and for good, every system call that is not allowed.

    Raises:
        OSError: the kernel refuses the filter.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    program = _filter()
    buffer = ctypes.create_string_buffer(program)
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _FILTER, ctypes.c_char_p(header), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "the kernel refuses a system call filter")


def _filter() -> bytes:
    """A seccomp program in BPF: another architecture is killed, allowed calls pass, the rest fail with EPERM."""
    load, jump, give = 0x20, 0x15, 0x06
    lines = [(load, 0, 0, 4), (jump, 1, 0, _ARCHITECTURE), (give, 0, 0, 0x80000000), (load, 0, 0, 0)]
    for place, number in enumerate(_ALLOWED):
        lines.append((jump, len(_ALLOWED) - place, 0, number))
    lines += [(give, 0, 0, 0x00050001), (give, 0, 0, 0x7FFF0000)]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def _preload(source: str) -> None:
    """Import what the program imports, as far as it is of the standard library, while files can still be opened."""
    names = set(
        [
            "json",
            "re",
            "math",
            "cmath",
            "random",
            "itertools",
            "functools",
            "collections",
            "heapq",
            "bisect",
            "string",
            "decimal",
            "fractions",
        ]
    )
    for line in re.findall(r"^[ \t]*(?:import|from)[ \t]+([\w., \t]+)", source, re.M):
        names.update(part.strip().split(" ")[0] for part in line.split(" import")[0].split(","))
    for name in sorted(names):
        root = name.split(".")[0]
        if root in sys.stdlib_module_names and root not in _NEVER_LOADED:
            with contextlib.suppress(Exception):
                importlib.import_module(name)


def _main() -> None:
    """Entry point of the contained process: preload, contain, then run `program.py` of the current folder."""
    source = Path("program.py").read_text("utf-8")
    _limit(float(os.environ["LIMIT"]))
    _preload(source)
    code = compile(source, "program.py", "exec")
    # The program may catch the signal, but then the kernel's limit on processor time ends it within two seconds more.
    signal.setitimer(signal.ITIMER_PROF, float(os.environ["LIMIT"]))
    contain()
    exec(code, {"__name__": "__main__"})


if __name__ == "__main__":
    _main()
