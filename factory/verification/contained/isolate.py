"""Giving up everything but computing: limits, namespaces where the system has them, and a system call filter.

The filter (seccomp on Linux, x86-64) lets through only the system calls that computing, reading standard input and
printing need, and looks at their arguments: `fcntl` may only read flags, memory may not be made executable, and no call
that takes a path passes, so neither files nor /proc can be read, listed or asked about. `openat`, sockets, processes,
threads, signals to others and changes to limits are not among them. It cannot be taken off.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import resource
import signal
import struct
import sys
from importlib import import_module
from pathlib import Path

MEMORY_BYTES = 512 * 2**20
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER, _PR_SET_PDEATHSIG = 38, 22, 2, 1
_CLONE_NEWUSER = 0x10000000
_ARCHITECTURE = 0xC000003E
_ALLOWED = (
    0, 1, 3, 5, 7, 8, 11, 12, 13, 14, 15, 19, 20, 23, 24, 25, 28,  # read write close fstat poll lseek munmap brk ...
    32, 35, 39, 60, 96, 97, 98, 100, 102, 104, 107, 108, 131, 158, 186,  # dup nanosleep, time and usage (own), ids
    202, 204, 228, 229, 230, 231, 270, 271, 318, 324, 334,  # futex, clocks, exit_group, pselect, getrandom, rseq
)  # fmt: skip
"""Numbers of the system calls of Linux on x86-64 that pass whatever their arguments."""
_FCNTL, _MMAP, _MPROTECT, _FSTATAT = 72, 9, 10, 262
_READ_FLAGS = (1, 3, 1030)
"""`fcntl` commands that pass: F_GETFD, F_GETFL, F_DUPFD_CLOEXEC."""
_PROT_EXEC, _AT_EMPTY_PATH = 0x4, 0x1000
_NEVER_LOADED = frozenset((
    "antigravity", "this", "idlelib", "tkinter", "turtle", "turtledemo", "ctypes", "webbrowser", "pip",
    "ensurepip", "lib2to3",
))  # fmt: skip
LEETCODE = (
    "typing", "collections", "itertools", "functools", "heapq", "bisect", "math", "random", "re", "string", "operator",
    "json", "copy",
)  # fmt: skip
"""What LeetCode has imported before a `class Solution` begins."""


def filtered() -> bool:
    """Whether this system has the system call filter."""
    return sys.platform == "linux" and os.uname().machine == "x86_64"


def preload(source: str) -> None:
    """Import what a program imports, as far as it is of the standard library, while files can still be opened."""
    names = {"typing", "io", "contextlib", *(LEETCODE if "class Solution" in source else ())}
    for line in re.findall(r"^[ \t]*(?:import|from)[ \t]+([\w., \t]+)", source, re.M):
        names.update(part.strip().split(" ")[0] for part in line.split(" import")[0].split(","))
    for name in sorted(names):
        root = name.split(".")[0]
        if root in sys.stdlib_module_names and root not in _NEVER_LOADED:
            with contextlib.suppress(Exception):
                import_module(name)


def contain(seconds: int) -> None:
    """Give up, in this process and for good, all that a program does not need.

    Raises:
        OSError: the kernel refuses the filter.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _leave_the_file_system(libc)
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    if filtered():
        _filter(libc)
    for name in ("ctypes", "_ctypes"):
        sys.modules.pop(name, None)


def _leave_the_file_system(libc: ctypes.CDLL) -> None:
    """Take an empty, deleted folder as root, where the system lets us; the filter does not depend on it."""
    folder = Path(os.environ.get("TMPDIR", "/tmp"), f"factory-code-{os.getpid()}-{os.urandom(6).hex()}")
    folder.mkdir(0o700)
    os.chdir(folder)
    folder.rmdir()
    try:
        os.chroot(".")
    except OSError:
        if sys.platform == "linux" and libc.unshare(_CLONE_NEWUSER) == 0:
            with contextlib.suppress(OSError):
                os.chroot(".")


def _filter(libc: ctypes.CDLL) -> None:
    program = _program()
    buffer = ctypes.create_string_buffer(program)
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _FILTER, ctypes.c_char_p(header), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "the kernel refuses a system call filter")


def _program() -> bytes:
    """The filter in BPF: another architecture is killed, what is allowed passes, the rest fails with EPERM."""
    load, equal, some_bits, give = 0x20, 0x15, 0x45, 0x06
    refuse, allow = (give, 0, 0, 0x00050001), (give, 0, 0, 0x7FFF0000)
    arguments = [16 + 8 * place for place in range(6)]
    lines = [(load, 0, 0, 4), (equal, 1, 0, _ARCHITECTURE), (give, 0, 0, 0x80000000), (load, 0, 0, 0)]
    # The upper half of a number is 0 for every call of this architecture; x32 calls (bit 30) are on no list.
    for number in _ALLOWED:
        lines += [(equal, 0, 1, number), allow]
    lines += [(equal, 0, 3 + len(_READ_FLAGS), _FCNTL), (load, 0, 0, arguments[1])]
    lines += [(equal, len(_READ_FLAGS) - place, 0, flag) for place, flag in enumerate(_READ_FLAGS)]
    lines += [refuse, allow]
    for number in (_MMAP, _MPROTECT):
        lines += [
            (equal, 0, 4, number),
            (load, 0, 0, arguments[2]),
            (some_bits, 0, 1, _PROT_EXEC),
            refuse,
            allow,
        ]
    # fstat is newfstatat of a descriptor and an empty path.
    lines += [
        (equal, 0, 4, _FSTATAT),
        (load, 0, 0, arguments[3]),
        (some_bits, 1, 0, _AT_EMPTY_PATH),
        refuse,
        allow,
    ]
    lines += [refuse]
    return b"".join(struct.pack("HBBI", *line) for line in lines)
