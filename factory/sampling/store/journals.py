"""Reading a response store: the union of its journals.

A store's folder holds one journal for every process that may write at the same time from another machine:
`responses.sqlite` (a process on its own) and `responses-NNNNN.sqlite` (a worker of a job that is spread). What any of
them bought, all find. Where two hold the same address, the first by file name counts, so that every reader sees the
same response; a finished one always goes before a failed one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from zstandard import ZstdError

from factory.errors import FactoryError, UsageError, first_line, warn
from factory.sampling.store.in_flight import in_flight
from factory.sampling.store.integrity import account, check_attempts, inspect, migrate, recount, write_seal
from factory.sampling.store.stored import (
    COLUMNS,
    DamagedError,
    Stored,
    from_row,
    response_id,
    unpack,
)

FILE = "responses.sqlite"
"""The journal of a process on its own."""
PATTERN = "responses*.sqlite"
BUSY_SECONDS = 60
"""How long a reader or writer waits for another one's commit."""
_AT_ONCE = 500
T = TypeVar("T")
_MOVED = (
    "SELECT key FROM response NOT INDEXED"
    " EXCEPT SELECT key FROM response INDEXED BY sqlite_autoindex_response_1"
)


def journal_name(worker: int) -> str:
    """File name of a worker's journal."""
    return f"responses-{worker:05d}.sqlite"


def journal_names(folder: Path) -> list[str]:
    """The journals of a store, in the order in which they count."""
    return sorted(path.name for path in folder.glob(PATTERN))


class Journals:
    """All journals of a folder, for reading. New ones are found when they appear."""

    def __init__(self, path: Path, own: sqlite3.Connection) -> None:
        """`own` is an open connection to the journal at `path`, which this process may also write."""
        self.folder, self.path, self._read = path.parent, path, own
        self._connections: dict[str, sqlite3.Connection] = {path.name: own}
        self._looked = -1
        self.damaged = 0
        """Rows that were set aside by this process."""

    def get(self, key: bytes) -> Stored | None:
        """The finished response at an address; None when it is absent or failed."""
        return next(iter(self.get_many([key])), None)

    def get_many(self, keys: Sequence[bytes], *, failed: bool = False) -> Iterator[Stored]:
        """Responses at these addresses that are there, in no particular order; `failed` ones only when asked for."""
        for chunk in _chunks(keys):
            rows: dict[bytes, tuple[Any, ...]] = {}
            wanted = chunk
            for connection in self._all():
                sql = f"SELECT {COLUMNS}, status != 'failed' FROM response WHERE key IN ({_marks(wanted)})"
                for row in _rows(connection, sql, wanted):
                    if row[-1] or (failed and row[0] not in rows):
                        rows[row[0]] = row
                wanted = [key for key in wanted if key not in rows or not rows[key][-1]]
                if not wanted:
                    break
            for row in rows.values():
                try:
                    yield from_row(row[:-1])
                except DamagedError:
                    self._set_aside(row[0])

    def _set_aside(self, key: bytes) -> None:
        """Move a damaged row out of the way, so that its response is owed again, and name it."""
        for name, connection in list(self._connections.items()):
            with transaction(connection, self.folder / name):
                sql = "SELECT 1 FROM response NOT INDEXED WHERE key IS ?"
                if connection.execute(sql, (key,)).fetchone() is None:
                    continue
                connection.execute("REINDEX response")  # it may hold another address than the row
                connection.execute(
                    "INSERT OR IGNORE INTO damaged SELECT NULL, * FROM (SELECT "
                    + COLUMNS
                    + " FROM response WHERE key IS ?)",
                    (key,),
                )
                connection.execute("DELETE FROM response WHERE key IS ?", (key,))
                recount(connection)
            write_seal(self.folder / name, connection)
            self.damaged += 1
            warn(
                f"response {response_id(key)} in {self.folder / name} is damaged; it is set aside and owed again"
            )

    def present(self, keys: Sequence[bytes]) -> set[bytes]:
        """Which of these addresses hold a finished response."""
        found: set[bytes] = set()
        for chunk in _chunks(keys):
            wanted = chunk
            for connection in self._all():
                sql = f"SELECT key FROM response WHERE key IN ({_marks(wanted)}) AND status != 'failed'"
                found.update(row[0] for row in _rows(connection, sql, wanted))
                wanted = [key for key in wanted if key not in found]
                if not wanted:
                    break
        return found

    def keys(self) -> Iterator[bytes]:
        """Addresses of all finished responses, each once. A row whose own differs from its index is set aside."""
        seen: set[bytes] = set()
        for connection in self._all():
            for (key,) in _rows(connection, _MOVED):
                self._set_aside(key)
            for (key,) in _rows(connection, "SELECT key FROM response WHERE status != 'failed'"):
                if key not in seen:
                    seen.add(key)
                    yield key

    def request(self, request_key: str) -> dict[str, Any] | None:
        """The wire request behind a request key."""
        for connection in self._all():
            rows = _rows(connection, "SELECT body FROM request WHERE key = ?", (bytes.fromhex(request_key),))
            if rows:
                with suppress(ZstdError, ValueError):
                    return unpack(rows[0][0])
        return None

    def summary(self) -> list[dict[str, Any]]:
        """Counts, tokens and dollars by sampler, model and status. What was paid for twice counts twice."""
        sql = (
            "SELECT sampler, model, status, COUNT(*), SUM(prompt_tokens), SUM(completion_tokens), SUM(usd)"
            " FROM response GROUP BY sampler, model, status"
        )
        sums: dict[tuple[str, str, str], list[float | None]] = {}
        for connection in self._all():
            for sampler, model, status, *figures in _rows(connection, sql):
                before = sums.get((sampler, model, status), [None] * len(figures))
                sums[sampler, model, status] = [_plus(a, b) for a, b in zip(before, figures, strict=True)]
        names = ("sampler", "model", "status", "responses", "prompt_tokens", "completion_tokens", "usd")
        return [
            dict(zip(names, (*map(str, group), *sums[group]), strict=True))
            for group in sorted(sums, key=repr)
        ]

    def spent(self, job: str, journal: str | None = None) -> tuple[float, int]:
        """Dollars and completion tokens that a job has cost so far, in all journals or in one.

        A request in flight counts with its worst case, also one of a process that was killed.
        """
        connections = self._all() if journal is None else [self._named(journal)]
        mine = [each for each in connections if each is not None] if job else []
        sums = [_reading(account, each, job) for each in mine]
        sums += [_reading(in_flight, each, Path(_name(each)), job)[1:] for each in mine]
        return sum(usd for usd, _ in sums), sum(tokens for _, tokens in sums)

    def in_flight(self, job: str) -> tuple[int, float, int]:
        """Requests of a job that were sent and not answered: how many, and their worst case in dollars and tokens."""
        sums = [_reading(in_flight, each, Path(_name(each)), job) for each in self._all()]
        count, usd, tokens = (sum(column) for column in zip(*sums, strict=True))
        return int(count), float(usd), int(tokens)

    def attempts(self) -> dict[str, Any]:
        """What broken attempts cost: how many, tokens, dollars."""
        sql = "SELECT COUNT(*), TOTAL(prompt_tokens), TOTAL(completion_tokens), TOTAL(usd) FROM attempt"
        for connection in self._all():
            _reading(check_attempts, connection, Path(_name(connection)))
        sums = [_rows(connection, sql)[0] for connection in self._all()]
        count, prompt, completion, usd = (sum(column) for column in zip(*sums, strict=True))
        return {
            "attempts": count,
            "prompt_tokens": int(prompt),
            "completion_tokens": int(completion),
            "usd": usd,
        }

    def close_readers(self) -> None:
        """Close every connection."""
        for connection in self._connections.values():
            connection.close()

    def _named(self, journal: str) -> sqlite3.Connection | None:
        self._all()
        return self._connections.get(journal)

    def _all(self) -> Iterable[sqlite3.Connection]:
        """Connections to all journals, in the order in which they count."""
        now = self.folder.stat().st_mtime_ns
        if now != self._looked:
            require_sealed(self.folder)
            self._looked = now
            for name in journal_names(self.folder):
                if name not in self._connections:
                    opened = _open_reader(self.folder / name)
                    if opened is None:
                        self._looked = -1
                    else:
                        self._connections[name] = opened
            self._connections = dict(sorted(self._connections.items()))
        return self._connections.values()


def require_sealed(folder: Path) -> None:
    """Check that the journals are there whose seals are.

    Raises:
        UsageError: one is missing; a seal is written after its journal, so it was lost.
    """
    for seal in sorted(folder.glob(f"{PATTERN}.seal")):
        if not seal.with_suffix("").exists():
            raise UsageError(
                f"{seal.with_suffix('')} is missing, and its seal is there",
                do=f"restore it from a backup, or delete {seal.name} to do without what it held",
            )


def leave_shared_memory(folder: Path) -> None:
    """Take `responses.sqlite` out of write-ahead mode, whose shared memory works on one machine only.

    Done before workers on several machines read it. When another process has it open it stays as it is.
    """
    path = folder / FILE
    if path.exists():
        with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=1)) as connection:
            migrate(connection, path)
            connection.execute("PRAGMA journal_mode=TRUNCATE")


def open_journal(path: Path) -> sqlite3.Connection:
    """A connection to a journal that is there. Writable: the first reader after a kill rolls the torn commit back."""
    if path.stat().st_size == 0:
        raise sqlite3.DatabaseError("it is empty")
    uri = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _open_reader(path: Path) -> sqlite3.Connection | None:
    """A connection to another process's journal; None when it is being made at this moment."""
    try:
        connection = open_journal(path)
        ready = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'note'").fetchone()
        if ready is not None:
            migrate(connection, path)
            if loss := inspect(connection, path):
                warn(loss)
    except (sqlite3.Error, OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if ready is None:
        connection.close()
        return None
    return connection


def _rows(connection: sqlite3.Connection, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """All rows at once: an open cursor would keep the journal's writer from committing."""
    return _reading(lambda own: own.execute(sql, tuple(values)).fetchall(), connection)


def _reading(read: Callable[..., T], connection: sqlite3.Connection, *more: object) -> T:
    """What `read(connection, *more)` gives.

    Raises:
        FactoryError: SQLite cannot read the journal.
    """
    try:
        return read(connection, *more)
    except (sqlite3.Error, ValueError) as error:
        raise unreadable(_name(connection), error) from error


def unreadable(path: str | Path, error: Exception) -> FactoryError:
    """A journal that SQLite cannot read."""
    return FactoryError(
        f"cannot read response journal {path}: {first_line(error)}",
        do="restore it from a backup, or move it away: its responses are then fetched again",
    )


def _name(connection: sqlite3.Connection) -> str:
    with suppress(sqlite3.Error):
        return str(connection.execute("PRAGMA database_list").fetchone()[2])
    return "?"


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """All or nothing, and nobody else meanwhile.

    Raises:
        FactoryError: the file cannot be read or written.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise FactoryError(f"cannot write {path}: {error}", do="check the disk and run again") from error


def _chunks(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(keys), _AT_ONCE):
        yield keys[start : start + _AT_ONCE]


def _marks(values: Sequence[bytes]) -> str:
    return ",".join("?" * len(values))


def _plus(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else a + b
