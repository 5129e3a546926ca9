"""The response store: every response that was paid for, durable before it counts, shared by all runs that name it.

One SQLite file in write-ahead mode; a worker of a job that is spread over machines writes one of its own, without
write-ahead (whose shared memory works on one machine only), and all read the union (`factory.sampling.store.journals`).
Responses are addressed by SHA-256 of the full wire request and the sample index, so a run that wants what another one
bought finds it. A writer thread commits in groups; `put` returns after the commit's fsync. A claim on an address (a
one-byte file lock, which the kernel drops when the process dies) keeps two processes from buying the same response at
the same time.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from factory.errors import FactoryError, Stopped, UsageError
from factory.sampling.store.journals import BUSY_SECONDS, FILE, Journals
from factory.sampling.store.stored import (
    INSERT,
    TABLES,
    Stored,
    account_key,
    pack,
    request_key,
    response_id,
    response_key,
    to_row,
)

LINGER_SECONDS = 0.02
"""How long the writer waits for company before it commits; with the fsync itself this stays far below 200 ms."""

_VERSION = 1


@dataclass(frozen=True, slots=True)
class _Put:
    stored: Stored
    wire: Mapping[str, Any] | None
    job: str
    done: Future[None]


class ResponseStore(Journals):
    """A folder of journals, one of which is ours to write. Open it once a process; use it from one event loop."""

    def __init__(self, folder: Path, journal: str = FILE) -> None:
        """Open or create the store.

        Args:
            folder: where it is.
            journal: name of the journal that this process writes; a worker among many has one of its own.

        Raises:
            UsageError: the folder cannot be written or holds something else.
        """
        self._mode = "WAL" if journal == FILE else "TRUNCATE"
        path = folder / journal
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._locks = (folder / "claims.lock").open("a+b")
            super().__init__(path, self._connect(path))
            self._read.executescript(TABLES)
        except (OSError, sqlite3.Error) as error:
            raise UsageError(
                f"cannot open response store {folder}: {error}", do="choose another --store"
            ) from error
        self._check_version()
        self._claimed: set[bytes] = set()
        self._requests_seen: set[bytes] = set()
        self._queue: queue.SimpleQueue[_Put | None] = queue.SimpleQueue()
        self._broken: FactoryError | None = None
        self._writer = threading.Thread(target=self._write_loop, name="response-store", daemon=True)
        self._writer.start()

    def __enter__(self) -> Self:
        """Nothing to do: the constructor opened it."""
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Close the store."""
        self.close()

    def close(self) -> None:
        """Commit what was put, and close. Idempotent."""
        if self._writer.is_alive():
            self._queue.put(None)
            self._writer.join()
        self.close_readers()
        self._locks.close()

    # Claiming

    def claim(self, key: bytes) -> bool:
        """Reserve an address for buying; False when another task or process holds it.

        Raises:
            UsageError: the file system has no locks.
        """
        if key in self._claimed:
            return False
        try:
            fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _lock_offset(key))
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise UsageError(
                f"cannot lock {self._locks.name}: {error}", do="put --store on a file system with POSIX locks"
            ) from error
        self._claimed.add(key)
        return True

    def release(self, key: bytes) -> None:
        """Give a claim back."""
        if key in self._claimed:
            self._claimed.discard(key)
            fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, _lock_offset(key))

    # Writing

    def submit(self, stored: Stored, wire: Mapping[str, Any] | None = None, *, job: str = "") -> Future[None]:
        """Queue a response; the future is done when it is durable.

        A response that is already there is kept; only a failed one is replaced.
        """
        done: Future[None] = Future()
        if self._broken is not None:
            done.set_exception(self._broken)
        else:
            # Running, so that nobody can cancel it: what was handed over is written whoever still waits for it.
            done.set_running_or_notify_cancel()
            self._queue.put(_Put(stored, wire, job, done))
        return done

    async def put(self, stored: Stored, wire: Mapping[str, Any] | None = None, *, job: str = "") -> None:
        """Store a response and return when it is durable.

        Raises:
            Stopped: the disk is full.
            FactoryError: the store cannot be written.
        """
        await asyncio.wrap_future(self.submit(stored, wire, job=job))

    def _write_loop(self) -> None:
        connection = self._connect(self.path)
        try:
            while (first := self._queue.get()) is not None:
                batch, more = self._gather(first)
                self._commit(connection, batch)
                if not more:
                    break
        finally:
            with suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()

    def _gather(self, first: _Put) -> tuple[list[_Put], bool]:
        batch = [first]
        until = time.monotonic() + LINGER_SECONDS
        while (left := until - time.monotonic()) > 0:
            try:
                item = self._queue.get(timeout=left)
            except queue.Empty:
                break
            if item is None:
                return batch, False
            batch.append(item)
        return batch, True

    def _commit(self, connection: sqlite3.Connection, batch: list[_Put]) -> None:
        try:
            if self._broken is not None:
                raise self._broken
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(
                    "INSERT OR IGNORE INTO request (key, body) VALUES (?, ?)", self._new_requests(batch)
                )
                connection.executemany(INSERT, (to_row(put.stored, put.job) for put in batch))
        except (sqlite3.Error, OSError, FactoryError) as error:
            self._broken = _disk_error(error, self.path)
            for put in batch:
                put.done.set_exception(self._broken)
        else:
            for put in batch:
                put.done.set_result(None)

    def _new_requests(self, batch: Iterable[_Put]) -> Iterator[tuple[bytes, bytes]]:
        for put in batch:
            key = bytes.fromhex(put.stored.request_key)
            if put.wire is not None and key not in self._requests_seen:
                if len(self._requests_seen) > 100_000:
                    self._requests_seen.clear()
                self._requests_seen.add(key)
                yield key, pack(put.wire)

    def _connect(self, path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute(f"PRAGMA journal_mode={self._mode}")
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    def _check_version(self) -> None:
        self._read.execute("INSERT OR IGNORE INTO note VALUES ('version', ?)", (str(_VERSION),))
        found = self._read.execute("SELECT value FROM note WHERE name = 'version'").fetchone()[0]
        if int(found) > _VERSION:
            raise UsageError(
                f"{self.path} was written by a newer factory (store version {found})", do="update"
            )


def _lock_offset(key: bytes) -> int:
    return int.from_bytes(key[:8], "big") >> 2


def _disk_error(error: Exception, path: Path) -> FactoryError:
    if isinstance(error, FactoryError):
        return error
    if "full" in str(error) or getattr(error, "errno", None) in (28, 122):
        return Stopped(
            f"disk full while writing {path} (everything that counted is safe)",
            do=f"free some space and run the same command again; {_free(path)}",
        )
    return FactoryError(
        f"cannot write response store {path}: {error}", do="check the disk and run the command again"
    )


def _free(path: Path) -> str:
    with suppress(OSError):
        state = os.statvfs(path.parent)
        return f"{state.f_bavail * state.f_frsize / 2**20:,.0f} MiB free now"
    return "free space unknown"


__all__ = ["FILE", "ResponseStore", "Stored", "account_key", "request_key", "response_id", "response_key"]
