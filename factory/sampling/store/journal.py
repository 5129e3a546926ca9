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
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from factory.errors import FactoryError, Stopped, UsageError, first_line, warn
from factory.sampling.store.in_flight import DEAD, end, note, seal
from factory.sampling.store.integrity import (
    charge,
    create,
    grow_tally,
    inspect,
    migrate,
    note_attempts,
    write_seal,
)
from factory.sampling.store.journals import BUSY_SECONDS, FILE, Journals, open_journal
from factory.sampling.store.money import Money
from factory.sampling.store.stored import (
    INSERT,
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


@dataclass(frozen=True, slots=True)
class _Put:
    """A response to store, or (`broken`) an attempt whose cost is all that is kept."""

    stored: Stored
    wire: Mapping[str, Any] | None
    job: str
    done: Future[None]
    broken: bool = False
    more: bool = False
    """The request's answer follows."""

    @property
    def key(self) -> bytes:
        return self.stored.key


@dataclass(frozen=True, slots=True)
class _Sent:
    """A request that is about to be sent, with its worst case; without one, nothing of it was taken up by the server."""

    key: bytes
    job: str
    worst: Money | None
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
            create(path, self._mode)
            if path.stat().st_size == 0:
                raise UsageError(
                    f"response store {path} is empty (0 bytes): what it held is lost",
                    do="restore it from a backup, or delete it to begin again",
                )
            with closing(open_journal(path)) as found:
                migrate(found, path)  # a file that is no journal is refused before anything in it changes
            self._locks = (folder / "claims.lock").open("a+b")
            super().__init__(path, self._connect(path))
            if loss := inspect(self._read, path):
                warn(loss)
        except (OSError, sqlite3.Error, ValueError) as error:
            damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(
                error, sqlite3.OperationalError
            )
            raise UsageError(
                f"cannot open response store {path}: {first_line(error)}",
                do="restore it from a backup, or move it away: its responses are then fetched again"
                if damaged
                else "choose another --store",
            ) from error
        self._claimed: set[bytes] = set()
        self._requests_seen: set[bytes] = set()
        self._sent: set[bytes] = set()
        """Our own requests in flight; the writer's."""
        self._queue: queue.SimpleQueue[_Put | _Sent | None] = queue.SimpleQueue()
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

    def submit(
        self,
        stored: Stored,
        wire: Mapping[str, Any] | None = None,
        *,
        job: str = "",
        broken: bool = False,
        more: bool = False,
    ) -> Future[None]:
        """Queue a response; the future is done when it is durable.

        A response that is already there is kept; only a failed one is replaced. What each of them cost is added to the
        job's account, also that of a `broken` attempt, of which nothing else is kept; of one with `more` the answer follows.
        """
        return self._hand_over(_Put(stored, wire, job, Future(), broken, more))

    def sent(self, key: bytes, job: str, worst: Money | None) -> Future[None]:
        """Note a request before it is sent, or (None) that the server did not take it up; done when that is durable.

        The note goes when the request's response, or what a broken attempt cost, is submitted.
        """
        return self._hand_over(_Sent(key, job, worst, Future()))

    def _hand_over(self, item: _Put | _Sent) -> Future[None]:
        if self._broken is not None:
            item.done.set_exception(self._broken)
        else:
            # Running, so that nobody can cancel it: what was handed over is written whoever still waits for it.
            item.done.set_running_or_notify_cancel()
            self._queue.put(item)
        return item.done

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

    def _gather(self, first: _Put | _Sent) -> tuple[list[_Put | _Sent], bool]:
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

    def _commit(self, connection: sqlite3.Connection, items: list[_Put | _Sent]) -> None:
        batch = [item for item in items if isinstance(item, _Put)]
        try:
            if self._broken is not None:
                raise self._broken
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(
                    "INSERT OR IGNORE INTO request (key, body) VALUES (?, ?)", self._new_requests(batch)
                )
                whole = [put for put in batch if not put.broken]
                grow_tally(connection, self._new_keys(connection, whole))
                connection.executemany(INSERT, (to_row(put.stored, put.job) for put in whole))
                connection.executemany(_ATTEMPT, (_attempt(put) for put in batch if put.broken))
                dead = self._track(connection, items)
                note_attempts(connection)
                charge(
                    connection,
                    _costs(
                        [*dead, *((put.job, put.stored.usd, put.stored.completion_tokens) for put in batch)]
                    ),
                )
            write_seal(self.path, connection)
        except (sqlite3.Error, OSError, FactoryError) as error:
            self._broken = _disk_error(error, self.path)
            for item in items:
                item.done.set_exception(self._broken)
        else:
            for item in items:
                item.done.set_result(None)

    def _track(self, connection: sqlite3.Connection, items: Iterable[_Put | _Sent]) -> list[DEAD]:
        """Keep the notes of requests in flight; those of killed processes whose requests are sent again."""
        dead = []
        for item in items:
            if isinstance(item, _Put) and item.more:
                continue
            if (killed := end(connection, item.key, self._sent)) is not None:
                dead.append(killed)
            self._sent.discard(item.key)
            if isinstance(item, _Sent) and item.worst is not None:
                note(connection, item.key, item.job, item.worst.usd, int(item.worst.tokens))
                self._sent.add(item.key)
        seal(connection)
        return dead

    def _new_keys(self, connection: sqlite3.Connection, batch: Iterable[_Put]) -> set[bytes]:
        keys = {put.stored.key for put in batch}
        sql = "SELECT 1 FROM response WHERE key = ?"
        return {key for key in keys if connection.execute(sql, (key,)).fetchone() is None}

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


_ATTEMPT = "INSERT INTO attempt VALUES (NULL, ?, ?, ?, ?, ?, ?)"


def _attempt(put: _Put) -> tuple[Any, ...]:
    stored = put.stored
    tokens = stored.prompt_tokens, stored.completion_tokens
    return (stored.key, put.job, *tokens, stored.usd, stored.body.get("error"))


def _costs(each: Iterable[tuple[str, float | None, int | None]]) -> dict[str, tuple[float, int]]:
    costs: dict[str, tuple[float, int]] = {}
    for job, usd, tokens in each:
        if job:
            before = costs.get(job, (0.0, 0))
            costs[job] = before[0] + (usd or 0.0), before[1] + (tokens or 0)
    return costs


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
