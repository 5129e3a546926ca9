"""Every error that a user can meet, in one tree. The exit code belongs to the class.

    FactoryError          exit 1  the run failed
    ├─ NothingLeft        exit 1  no row is fit for a training set
    ├─ UsageError         exit 2  wrong flag, path, recipe key or column: nothing was done
    └─ Stopped            exit 3  a budget or the user stopped it: start it again to go on

A message says what happened, where (file:line or row id), and what to do next. Secrets and control characters are taken
out of it here (`factory.redaction`).
"""

from __future__ import annotations

import errno
import os
import re
import sys

from factory.redaction import safe


class FactoryError(Exception):
    """The run failed. The message is the one line that the user sees."""

    exit_code = 1

    def __init__(self, what: str, *, do: str | None = None) -> None:
        """`what` happened and where; `do` is the next command or change to try."""
        super().__init__(safe(what if do is None else f"{what} - {do}"))


class NothingLeft(FactoryError):
    """No row is fit for a training set."""


class UsageError(FactoryError):
    """The user's input is wrong; nothing was spent or written."""

    exit_code = 2


class Stopped(FactoryError):
    """Stopped by a budget, a full disk or the user; the same command goes on where it stopped."""

    exit_code = 3


def warn(text: str) -> None:
    """One line for the user on standard error, beside whatever is shown."""
    sys.stderr.write(f"factory: {safe(text)}\n")


def first_line(error: BaseException) -> str:
    """What another library's error says, in one short line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


_SHORT = re.compile(r"\d+ requested and \d+ written")
"""What numpy's `tofile` says of a short write, without its cause (numpy/_core/src/multiarray/convert.c)."""


def is_disk_full(error: BaseException) -> bool:
    """Whether a library failed for want of room on a disk; some say so in words only."""
    if isinstance(error, OSError) and error.errno is None and _SHORT.fullmatch(str(error)):
        return True
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or os.strerror(errno.ENOSPC) in str(error) or os.strerror(errno.EDQUOT) in str(error)
