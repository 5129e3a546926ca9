"""Files that are either whole or absent: temporary name, fsync, rename, fsync of the folder."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from factory.errors import FactoryError, Stopped, UsageError, is_disk_full

UNWRITABLE = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP
)  # fmt: skip


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it replaces `path`, on failure it is removed.

    Raises:
        UsageError: the folder cannot be written.
        Stopped: the disk is full.
    """
    # Random, not the process id: on a shared file system another node may have the same one.
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise disk_error(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def disk_error(error: OSError, path: Path) -> Exception:
    """Turn what the disk says into what the user can do."""
    if is_disk_full(error):
        return Stopped(f"disk full while writing {path}", do="free some space and run the same command again")
    here = error.filename is not None and Path(os.fsdecode(error.filename)) in (path, path.parent)
    if error.errno in UNWRITABLE or (here and error.errno in (errno.ENOENT, errno.EINVAL)):
        return UsageError(f"cannot write {path}: {error.strerror}", do="choose another --out folder")
    return error


SEAL = "seal"
"""Key of a JSON file's own checksum."""


def write_json(path: Path, value: Any, *, seal: bool = False) -> None:
    """Write `value` as indented, key-sorted JSON, atomically; with `seal` an object gets a checksum of itself."""
    if seal:
        value = {**value, SEAL: digest(json.loads(json.dumps(value)))}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file; a seal is checked and left out.

    Raises:
        UsageError: the file is absent or is not JSON.
        FactoryError: it is not what was written.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} is not valid JSON ({error})", do="fix it; if a run wrote it, delete it and run again"
        ) from error
    if not isinstance(value, dict):
        return value
    seal = value.pop(SEAL, None)
    # Without a seal it is a file of a former version, unless another key holds it: then the key was damaged.
    if seal != digest(value) if seal is not None else any(map(partial(_is_seal, value), value)):
        raise FactoryError(
            f"{path} is damaged: it does not match its own checksum",
            do="restore it, or delete it (a manifest with its whole folder) and run again",
        )
    return value


def _is_seal(value: dict[str, Any], key: str) -> bool:
    """Whether a value is the checksum of all the others."""
    found = value[key]
    is_digest = isinstance(found, str) and len(found) == 64
    return is_digest and found == digest({name: each for name, each in value.items() if name != key})


def digest(value: Any) -> str:
    """SHA-256 of `value` as canonical JSON, 64 hex digits. The same for equal values on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
