"""Whether a journal still holds what was put into it: counts kept inside and beside it, and what a job has cost.

Inside, notes count the commits and the responses and mix their addresses, written in the transaction that stores them;
they are compared with the index whenever the journal is opened, so damage there shows. Beside it, `NAME.seal` repeats
the numbers after each commit: a journal that lost its write-ahead file, was emptied, or is another store's has fewer or
others.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any

from factory.errors import FactoryError, UsageError
from factory.sampling.store.stored import IN_FLIGHT, TABLES, VERSION, checksum

Spent = tuple[float, int]
"""Dollars and completion tokens."""


def create(path: Path, mode: str) -> None:
    """Make an empty journal, if there is none, in one step, so that an empty file is always the sign of a loss.

    What a process left that was killed in between is removed, where folders can be locked.
    """
    with _alone(path.parent) as alone:
        for left in path.parent.glob(f".{path.name}.*") if alone else ():
            left.unlink(missing_ok=True)
        if not path.exists():
            _create(path, mode)


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Hold the folder's lock; False where its file system has none."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def _create(path: Path, mode: str) -> None:
    made = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        connection = sqlite3.connect(made, isolation_level=None)
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.executescript(TABLES)
        connection.execute("INSERT INTO note VALUES ('version', ?)", (str(VERSION),))
        connection.execute("INSERT INTO note VALUES ('id', ?)", (uuid.uuid4().hex,))
        connection.execute("INSERT INTO note VALUES ('tally', ?)", (tally_text(0, 0),))
        connection.close()
        with suppress(FileExistsError):
            path.hardlink_to(made)
    finally:
        for name in (made.name, f"{made.name}-wal", f"{made.name}-shm", f"{made.name}-journal"):
            made.with_name(name).unlink(missing_ok=True)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a journal of version 1 to this version: its addresses and responses stay as they are.

    Raises:
        UsageError: a newer or an unknown version, or no journal at all.
    """
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    if not {"note", "response"} <= tables:
        raise UsageError(f"{path} is not a response store", do="choose another --store")
    version = _note(connection, "version")
    if version == str(VERSION):
        if "in_flight" not in tables:
            connection.execute(IN_FLIGHT)
        return
    if version not in ("1", None):
        newer = version.isdigit() and int(version) > VERSION
        raise UsageError(
            f"{path} was written by a newer factory (store version {version})"
            if newer
            else f"{path} has no store version that is known ({version[:20]!r})",
            do="update" if newer else "restore it from a backup",
        )
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if _note(connection, "version") == str(VERSION):
            return
        columns = {row[1] for row in connection.execute("PRAGMA table_info(response)")}
        if columns and "mark" not in columns:
            connection.execute("ALTER TABLE response ADD COLUMN mark BLOB")
        connection.execute("DROP INDEX IF EXISTS response_job")
        for statement in filter(str.strip, TABLES.split(";")):
            connection.execute(statement)
        sums = connection.execute(
            "SELECT job, TOTAL(usd), TOTAL(completion_tokens) FROM response WHERE job != '' GROUP BY job"
        ).fetchall()
        charge(connection, {job: (usd, int(tokens)) for job, usd, tokens in sums})
        connection.execute("INSERT OR IGNORE INTO note VALUES ('id', ?)", (uuid.uuid4().hex,))
        write_tally(connection, *_counted(connection))
        connection.execute("INSERT OR REPLACE INTO note VALUES ('version', ?)", (str(VERSION),))


def inspect(connection: sqlite3.Connection, path: Path) -> str | None:
    """Compare a journal with its own notes and its seal; what is missing at its end, if anything is.

    Raises:
        FactoryError: responses are missing from its index, or from it altogether.
        UsageError: it is another store's.
    """
    seal = _sealed(path)
    connection.execute("BEGIN")
    try:
        noted, count, mixed = _note(connection, "tally"), *_counted(connection)
        identity, commits = _note(connection, "id") or "", int(_note(connection, "commits") or 0)
    finally:
        connection.execute("COMMIT")
    if noted != tally_text(count, mixed):
        raise FactoryError(
            f"{path} is damaged: its index does not hold the responses that were stored",
            do="restore it from a backup, or move it away: its responses are then fetched again",
        )
    if seal is None:
        return None
    if seal[0] != identity:
        raise UsageError(
            f"{path} is not the response store that was here before",
            do=f"put the right one back, or delete {path.name}.seal to use this one",
        )
    if count < seal[1]:
        lost = f"{seal[1] - count:,} of {seal[1]:,} responses that had counted are missing from {path}"
        if not count:
            raise UsageError(
                f"{lost}: it was emptied", do="restore it from a backup, or move the folder away"
            )
        return (
            f"{lost}: its write-ahead file ({path.name}-wal) was lost or damaged; they will be fetched again"
        )
    if commits < seal[2]:
        return (
            f"the last {seal[2] - commits:,} commits to {path} are missing: its write-ahead file ({path.name}-wal) was "
            "lost or damaged; what broken attempts cost may be booked too low"
        )
    return None


def write_seal(path: Path, connection: sqlite3.Connection) -> None:
    """Repeat the numbers of responses and commits beside the journal. Not synced: older is harmless."""
    seal = path.with_name(f"{path.name}.seal")
    with suppress(OSError, sqlite3.Error):
        count = (_note(connection, "tally") or "").partition(":")[0]
        text = f"{_note(connection, 'id') or ''} {count:>20} {_note(connection, 'commits') or 0:>20}\n"
        with seal.open("r+b" if seal.exists() else "w+b") as file:
            file.write(text.encode())


def write_tally(connection: sqlite3.Connection, count: int, mixed: int) -> None:
    """Note the number of responses, the mix of their addresses, and one more commit."""
    commits = int(_note(connection, "commits") or 0) + 1
    connection.execute("INSERT OR REPLACE INTO note VALUES ('tally', ?)", (tally_text(count, mixed),))
    connection.execute("INSERT OR REPLACE INTO note VALUES ('commits', ?)", (str(commits),))


def recount(connection: sqlite3.Connection) -> None:
    """Count again after a row was taken out."""
    write_tally(connection, *_counted(connection))


def grow_tally(connection: sqlite3.Connection, keys: Iterable[bytes]) -> None:
    """Count new responses, and the commit that they are part of."""
    keys = list(keys)
    count, _, mixed = (_note(connection, "tally") or tally_text(0, 0)).partition(":")
    write_tally(connection, int(count) + len(keys), mix(keys, int(mixed, 16)))


def tally_text(count: int, mixed: int) -> str:
    """How the note is written."""
    return f"{count}:{mixed:016x}"


def mix(keys: Iterable[bytes], start: int = 0) -> int:
    """An order-free digest of addresses."""
    return reduce(
        xor, (int.from_bytes(key[:8], "big") ^ int.from_bytes(key[8:16], "little") for key in keys), start
    )


def charge(connection: sqlite3.Connection, costs: Mapping[str, Spent]) -> None:
    """Add to what jobs have cost."""
    for job, (usd, tokens) in costs.items():
        before = account(connection, job)
        usd, tokens = before[0] + usd, before[1] + tokens
        connection.execute(
            "INSERT OR REPLACE INTO account VALUES (?, ?, ?, ?)",
            (job, usd, tokens, checksum(job, usd, tokens)),
        )
    if costs:
        connection.execute("INSERT OR REPLACE INTO note VALUES ('accounts', ?)", (_accounts(connection),))


def account(connection: sqlite3.Connection, job: str) -> Spent:
    """What a job has cost.

    Raises:
        FactoryError: the accounts are damaged.
    """
    row = connection.execute("SELECT usd, tokens, mark FROM account WHERE job = ?", (job,)).fetchone()
    damaged = row is not None and checksum(job, row[0], row[1]) != row[2]
    if damaged or (row is None and (_note(connection, "accounts") or "") != _accounts(connection)):
        raise FactoryError(
            f"the account of job {job} in the response store is damaged, so its budget cannot be kept",
            do="restore the store from a backup",
        )
    return (0.0, 0) if row is None else (float(row[0]), int(row[1]))


def note_attempts(connection: sqlite3.Connection) -> None:
    """Count the broken attempts since the last note into it: the last one's id, how many, and a mix of their rows."""
    last, count, mixed = _noted_attempts(connection) or (0, 0, 0)
    rows = _attempts(connection, "id > ?", last)
    marks = [checksum(*row) for row in rows]
    text = f"{rows[-1][0] if rows else last}:{count + len(rows)}:{mix(marks, mixed):016x}"
    connection.execute("INSERT OR REPLACE INTO note VALUES ('attempts', ?)", (text,))


def check_attempts(connection: sqlite3.Connection, path: Path) -> None:
    """Compare the broken attempts with their note; journals of former versions have none.

    Raises:
        FactoryError: they are not what was stored.
    """
    noted = _noted_attempts(connection)
    if noted is None:
        return
    rows = _attempts(connection, "id <= ?", noted[0])
    if (len(rows), mix(checksum(*row) for row in rows)) != noted[1:]:
        raise FactoryError(
            f"{path} is damaged: what it says of broken attempts is not what was stored",
            do="restore it from a backup; budgets are kept by its accounts, which are checked on their own",
        )


def _attempts(connection: sqlite3.Connection, where: str, last: int) -> list[tuple[Any, ...]]:
    return connection.execute(f"SELECT * FROM attempt WHERE {where} ORDER BY id", (last,)).fetchall()


def _noted_attempts(connection: sqlite3.Connection) -> tuple[int, int, int] | None:
    text = _note(connection, "attempts")
    if text is None:
        return None
    last, count, mixed = text.split(":")
    return int(last), int(count), int(mixed, 16)


def _accounts(connection: sqlite3.Connection) -> str:
    """The checksums of all accounts; each holds the job's name, so a renamed one is noticed."""
    rows = connection.execute("SELECT job, usd, tokens FROM account ORDER BY job").fetchall()
    return checksum(*(checksum(*row) for row in rows)).hex() if rows else ""


def _counted(connection: sqlite3.Connection) -> tuple[int, int]:
    keys = [row[0] for row in connection.execute("SELECT key FROM response")]
    return len(keys), mix(key if isinstance(key, bytes) else b"" for key in keys)


def _note(connection: sqlite3.Connection, name: str) -> str | None:
    row = connection.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def _sealed(path: Path) -> tuple[str, int, int] | None:
    """Id, responses and commits; former versions counted no commits."""
    with suppress(OSError, ValueError):
        identity, count, *commits = path.with_name(f"{path.name}.seal").read_text("ascii").split()
        return identity, int(count), int(commits[0]) if commits else 0
    return None
