"""The response store: every response that was paid for, durable before it counts, shared by all runs that name it.

One SQLite file in write-ahead mode. Responses are addressed by SHA-256 of the full wire request and the sample index,
so a run that wants what another one bought finds it. A writer thread commits in groups; `put` returns after the
commit's fsync. A claim on an address (a one-byte file lock, which the kernel drops when the process dies) keeps two
processes from buying the same response at the same time.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson
import zstandard

from factory.errors import FactoryError, Stopped, UsageError

LINGER_SECONDS = 0.02
"""How long the writer waits for company before it commits; with the fsync itself this stays far below 200 ms."""

FILE = "responses.sqlite"
"""Name of the store's file in its folder."""
_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS request (key BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS response (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    request_key BLOB NOT NULL,
    sample_index INTEGER NOT NULL,
    sampler TEXT NOT NULL,
    model TEXT NOT NULL,
    status TEXT NOT NULL,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    usd REAL,
    job TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS response_job ON response (job, usd, completion_tokens) WHERE job != '';
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_INSERT = """
INSERT INTO response
    (key, request_key, sample_index, sampler, model, status, prompt_tokens, completion_tokens, usd, job, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
    status = excluded.status, prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens,
    usd = excluded.usd, job = excluded.job, body = excluded.body
WHERE response.status = 'failed'
"""


def request_key(wire: Mapping[str, Any]) -> str:
    """SHA-256 of a wire request as canonical JSON, 64 hex digits."""
    return hashlib.sha256(orjson.dumps(wire, option=orjson.OPT_SORT_KEYS)).hexdigest()


def response_key(request: str, sample_index: int) -> bytes:
    """Address of one response: the first 16 bytes of SHA-256 over request key and sample index."""
    return hashlib.sha256(f"{request}:{sample_index}".encode()).digest()[:16]


def response_id(key: bytes) -> str:
    """The address as `schemas.RESPONSE` writes it."""
    return "r-" + key.hex()


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored response. `body` holds the fields that nobody searches by."""

    key: bytes
    request_key: str
    sample_index: int
    sampler: str
    model: str
    status: str
    prompt_tokens: int | None
    completion_tokens: int | None
    usd: float | None
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Put:
    stored: Stored
    wire: Mapping[str, Any] | None
    job: str
    done: Future[None]


class ResponseStore:
    """A folder with `responses.sqlite`. Open it once a process; use it from one event loop or plain code."""

    def __init__(self, folder: Path) -> None:
        """Open or create the store.

        Raises:
            UsageError: the folder cannot be written or holds something else.
        """
        self.folder = folder
        self.path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._locks = (folder / "claims.lock").open("a+b")
            self._read = self._connect()
            self._read.executescript(_TABLES)
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
        self._read.close()
        self._locks.close()

    # Reading

    def get(self, key: bytes) -> Stored | None:
        """The finished response at an address; None when it is absent or failed."""
        return next(iter(self.get_many([key])), None)

    def get_many(self, keys: Sequence[bytes], *, failed: bool = False) -> Iterator[Stored]:
        """Responses at these addresses that are there, in no particular order; `failed` ones only when asked for."""
        for start in range(0, len(keys), 500):
            chunk = keys[start : start + 500]
            marks = ",".join("?" * len(chunk))
            also = "" if failed else " AND status != 'failed'"
            rows = self._read.execute(
                "SELECT key, request_key, sample_index, sampler, model, status, prompt_tokens, completion_tokens,"
                f" usd, body FROM response WHERE key IN ({marks}){also}",
                chunk,
            )
            for row in rows:
                yield _stored(row)

    def present(self, keys: Sequence[bytes]) -> set[bytes]:
        """Which of these addresses hold a finished response."""
        found: set[bytes] = set()
        for start in range(0, len(keys), 500):
            chunk = keys[start : start + 500]
            marks = ",".join("?" * len(chunk))
            sql = f"SELECT key FROM response WHERE key IN ({marks}) AND status != 'failed'"
            found.update(row[0] for row in self._read.execute(sql, chunk))
        return found

    def request(self, request_key: str) -> dict[str, Any] | None:
        """The wire request behind a request key."""
        row = self._read.execute(
            "SELECT body FROM request WHERE key = ?", (bytes.fromhex(request_key),)
        ).fetchone()
        return None if row is None else _unpack(row[0])

    def summary(self) -> list[dict[str, Any]]:
        """Counts, tokens and dollars by sampler, model and status."""
        rows = self._read.execute(
            "SELECT sampler, model, status, COUNT(*), SUM(prompt_tokens), SUM(completion_tokens), SUM(usd)"
            " FROM response GROUP BY sampler, model, status ORDER BY sampler, model, status"
        )
        names = ("sampler", "model", "status", "responses", "prompt_tokens", "completion_tokens", "usd")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def spent(self, job: str) -> tuple[float, int]:
        """Dollars and completion tokens that a job has cost so far."""
        sql = "SELECT TOTAL(usd), TOTAL(completion_tokens) FROM response WHERE job = ? AND job != ''"
        usd, tokens = self._read.execute(sql, (job,)).fetchone()
        return usd, int(tokens)

    # Claiming

    def claim(self, key: bytes) -> bool:
        """Reserve an address for buying; False when another task or process holds it."""
        if key in self._claimed:
            return False
        try:
            fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _lock_offset(key))
        except OSError:
            return False
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
        connection = self._connect()
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
                connection.executemany(_INSERT, (_row(put) for put in batch))
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
                yield key, _pack(put.wire)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
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


def _stored(row: tuple[Any, ...]) -> Stored:
    key, request, index, sampler, model, status, prompt_tokens, completion_tokens, usd, body = row
    return Stored(
        key=key,
        request_key=request.hex(),
        sample_index=index,
        sampler=sampler,
        model=model,
        status=status,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        usd=usd,
        body=_unpack(body),
    )


def _row(put: _Put) -> tuple[Any, ...]:
    stored = put.stored
    return (
        stored.key,
        bytes.fromhex(stored.request_key),
        stored.sample_index,
        stored.sampler,
        stored.model,
        stored.status,
        stored.prompt_tokens,
        stored.completion_tokens,
        stored.usd,
        put.job,
        _pack(stored.body),
    )


def _pack(value: Mapping[str, Any]) -> bytes:
    return _compressor().compress(orjson.dumps(value))


def _unpack(blob: bytes) -> dict[str, Any]:
    value: dict[str, Any] = orjson.loads(_decompressor().decompress(blob))
    return value


_per_thread = threading.local()


def _compressor() -> zstandard.ZstdCompressor:
    if not hasattr(_per_thread, "compressor"):
        _per_thread.compressor = zstandard.ZstdCompressor(level=3)
    found: zstandard.ZstdCompressor = _per_thread.compressor
    return found


def _decompressor() -> zstandard.ZstdDecompressor:
    if not hasattr(_per_thread, "decompressor"):
        _per_thread.decompressor = zstandard.ZstdDecompressor()
    found: zstandard.ZstdDecompressor = _per_thread.decompressor
    return found


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
