"""No network and no processes for what libraries do in C, below Python's own hooks: a system call filter (seccomp)."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

_NO_NEW_PRIVS, _SECCOMP, _FILTER = 38, 22, 2
_X86_64 = 0xC000003E
_SOCKET, _CLONE, _FORK, _VFORK, _IO_URING, _CLONE3 = 41, 56, 57, 58, 425, 435
_AF_UNIX, _CLONE_THREAD, _X32 = 1, 0x00010000, 0x40000000
_LOAD, _EQUAL, _AT_LEAST, _SOME_BITS, _GIVE = 0x20, 0x15, 0x35, 0x45, 0x06
_ARCHITECTURE, _NUMBER, _FIRST = 4, 0, 16
"""Places in `struct seccomp_data`: architecture, number of the call, first argument."""


def go_offline() -> None:
    """Refuse sockets (but those within the machine), new processes and what would go round that; threads pass.

    Only on Linux on x86-64, and where the kernel takes it; elsewhere Python's hooks are all there is.
    """
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return
    program = b"".join(struct.pack("HBBI", *line) for line in _program())
    buffer = ctypes.create_string_buffer(program)
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_SECCOMP, _FILTER, ctypes.c_char_p(header), 0, 0)


def _program() -> list[tuple[int, int, int, int]]:
    """The filter in BPF; a jump counts the lines that it skips."""
    allow = (_GIVE, 0, 0, 0x7FFF0000)
    refuse, absent = ((_GIVE, 0, 0, 0x00050000 | code) for code in (errno.EPERM, errno.ENOSYS))
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, _X86_64), refuse,
        (_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, _X32), refuse,
    ]  # fmt: skip
    for number in (_FORK, _VFORK, _IO_URING):
        lines += [(_EQUAL, 0, 1, number), refuse]
    lines += [(_EQUAL, 0, 1, _CLONE3), absent]  # the C library then uses clone, whose flags can be seen
    lines += [(_EQUAL, 0, 4, _SOCKET), (_LOAD, 0, 0, _FIRST), (_EQUAL, 0, 1, _AF_UNIX), allow, refuse]
    lines += [(_EQUAL, 0, 4, _CLONE), (_LOAD, 0, 0, _FIRST), (_SOME_BITS, 0, 1, _CLONE_THREAD), allow, refuse]
    return [*lines, allow]
